// Start Swagger UI. “Try it out” sends our CSRF token, as our own pages do.

const target = document.getElementById("swagger-ui");
const token = document.querySelector('meta[name="csrf-token"]').content;

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);

const nothing = () => () => null;
const plugin = {
  wrapComponents: {
    // Nobody needs “Authorize”: the browser sends the cookie by itself, and we send the token.
    authorizeBtn: nothing,
    authorizeOperationBtn: nothing,
    // A landmark around its title, and a heading between its first rank and its third.
    InfoContainer: (Original, { React: { createElement } }) => (properties) =>
      createElement(
        "header",
        { role: "banner" },
        createElement(Original, properties),
        createElement("h2", null, "Operations"),
      ),
  },
};

function start() {
  SwaggerUIBundle({
    domNode: target,
    url: target.dataset.url,
    plugins: [plugin],
    syntaxHighlight: { theme: "tomorrow-night" },
    requestInterceptor: (request) => {
      request.headers["X-CSRFToken"] = token;
      return request;
    },
  });
}

// Reading so large a script takes a moment. The page is shown before that: after the next frame.
requestAnimationFrame(() =>
  setTimeout(() => {
    const script = document.createElement("script");
    script.src = target.dataset.bundle;
    script.onload = start;
    document.head.append(script);
  }),
);
