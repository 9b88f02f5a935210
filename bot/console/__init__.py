"""
The admins' console: pages rendered on the server, with one small script for keys.

app        builds the site: every page, the security headers        routes   which role each page needs, checked once
visits     what a page is given: who asks, the form, how to answer  ports    what the console needs from the outside
pages_*    the pages                                                sessions passwords oidc   who signs in, and how

To add a page: write `pages_NAME.py` with `routes = Routes(...)`, a template beside the others, and name it
in app.PAGES.
"""
