"""Runs cells through a real kernel, and prints what each gave as JSON, a line a cell.

Arguments: a notebook, or `-` for a JSON list of cells on standard input.
"""
import json
import sys

import nbformat
from nbclient import NotebookClient

source = sys.argv[1]
if source == "-":
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in json.load(sys.stdin)])
else:
    notebook = nbformat.read(source, as_version=4)
folder = sys.argv[2]
NotebookClient(notebook, kernel_name="headrace", allow_errors=True, timeout=120, resources={"metadata": {"path": folder}}).execute()
for cell in notebook.cells:
    if cell.cell_type == "code":
        print(json.dumps({"count": cell.execution_count, "outputs": cell.outputs}))
