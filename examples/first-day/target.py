#!/usr/bin/env python3
"""target.py -- listens where the first-day configuration forwards to, and shows what arrives."""
from http.server import BaseHTTPRequestHandler, HTTPServer


class Target(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(self.path, self.headers.get("gaff-event-id"), len(body), "bytes", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


HTTPServer(("127.0.0.1", 8090), Target).serve_forever()
