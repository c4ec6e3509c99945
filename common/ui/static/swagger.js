// Start Swagger UI. “Try it out” sends our CSRF token, as our own pages do.

const target = document.getElementById("swagger-ui");
const token = document.querySelector('meta[name="csrf-token"]').content;

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);

SwaggerUIBundle({
  domNode: target,
  url: target.dataset.url,
  requestInterceptor: (request) => {
    request.headers["X-CSRFToken"] = token;
    return request;
  },
});
