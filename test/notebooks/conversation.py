"""Talks to a real kernel as a front end does, and prints what it found as JSON.

Argument: the folder that the kernel starts in.
"""
import json
import sys
import time

from jupyter_client.manager import KernelManager

TIMEOUT = 30
manager = KernelManager(kernel_name="headrace")
manager.start_kernel(cwd=sys.argv[1])
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=TIMEOUT)
found = {}


def iopub_until_idle(request):
    """Messages that answer a request, without its own start and end."""
    messages = []
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return messages
        messages.append({"type": message["msg_type"], "content": message["content"]})


def reply_to(request):
    while True:
        message = client.get_shell_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]


def run(code, **options):
    request = client.execute(code, **options)
    messages = iopub_until_idle(request)
    return reply_to(request), messages


try:
    run('import { endless, loud, slow } from "./stages.ts"')

    # What stages print, by its stream.
    _, messages = run("let heard = loud(3)")
    found["printed"] = [[m["content"]["name"], m["content"]["text"]] for m in messages if m["type"] == "stream"]

    # An interrupt ends the cell, and not the kernel.
    request = client.execute("endless(1)")
    time.sleep(1)
    manager.interrupt_kernel()
    found["interrupted"] = [m["content"]["ename"] for m in iopub_until_idle(request) if m["type"] == "error"]
    found["after interrupt"] = run("heard + 1")[0]["status"]
    found["alive"] = manager.is_alive()

    # All cells are there before the first has ended: those behind one that fails aren't run.
    requests = [client.execute(code) for code in ["slow(1)", "1 + nothing", "2 + 2"]]
    found["all at once"] = [reply_to(request)["status"] for request in requests]
    requests = [client.execute(code, stop_on_error=False) for code in ["1 + nothing", "2 + 2"]]
    found["going on"] = [reply_to(request)["status"] for request in requests]
    found["afterwards"] = run("3 + 3")[0]["status"]

    # Front ends count a cursor's place in code points.
    code = 'let note = "\U0001f600\U0001f600" + hea'
    completed = reply_to(client.complete(code, len(code)))
    found["completed"] = [completed["matches"], code[: completed["cursor_start"]] + completed["matches"][0]]
    found["inspected"] = reply_to(client.inspect("heard", 2))["data"]["text/plain"]

    history = reply_to(client.history(hist_access_type="search", pattern="let h*", n=5, raw=True, output=False))
    found["history"] = [entry[2] for entry in history["history"]]

    # A message that somebody else signed is nobody's.
    client.session.key = b"another key"
    forged = client.execute("4 + 4")
    client.session.key = manager.session.key
    request = client.execute("5 + 5")
    heard = set()
    while request not in heard:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["msg_type"] == "execute_result":
            heard.add(message["parent_header"]["msg_id"])
    found["forged is run"] = forged in heard
finally:
    client.stop_channels()
    manager.shutdown_kernel()
found["ended"] = not manager.is_alive()
print(json.dumps(found))
