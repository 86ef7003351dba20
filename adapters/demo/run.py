run_demo=None
