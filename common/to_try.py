"""What to try first in each step: the pages that show what is new in it."""

from __future__ import annotations

# For each step three pages, with what one sees there in a few words: they share a line of a
# terminal with the address.
TO_TRY = {
    1: (
        ("/hello/Ada", "a part of the address is a value"),
        ("/posts", "leads to the list, at /posts/"),
        ("/about/", "is no page; /about is one"),
    ),
    2: (
        ("/auth/register", "an account, until the next restart"),
        ("/posts/new", "only for users who are logged in"),
        ("/auth/login", "try a wrong password"),
    ),
    3: (
        ("/posts/new", "a post that outlives a restart"),
        ("/posts/", "20 posts a page, newest first"),
        ("/auth/account", "a new password ends other sessions"),
    ),
    4: (
        ("/admin/", "for admins: flask make-admin NAME"),
        ("/posts/", "all posts outlived the migrations"),
        ("/auth/account", "delete the account and its posts"),
    ),
    5: (
        ("/exports/", "your posts as a ZIP, with progress"),
        ("/api/docs/", "the same for programs"),
        ("/auth/forgot", "the worker prints the mail"),
    ),
    6: (
        ("/exports/", "open it twice: both show progress"),
        ("/api/docs/", "now with streams of events"),
        ("/healthz", "do database and Redis answer?"),
    ),
}
