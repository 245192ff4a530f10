"""Interactive outputs of notebooks: the widget of a job, live tables, live plots, and the thread that updates them."""
