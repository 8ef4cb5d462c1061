import duckdb


def explain(root, located, error):
    return error or Exception("unsound")
