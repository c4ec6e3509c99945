"""`learn.py tour`: the lessons in the browser, the text of a part beside what it changes.

- `notes` reads the texts, `changes` the patches, `colours` draws lines of code;
- `pages` puts together what is on a page, `app` serves it on this machine, `export` writes it
  as files;
- `search` finds words in all of it;
- `runs` starts the app of a part, `own` looks at the app that the learner writes.
"""
