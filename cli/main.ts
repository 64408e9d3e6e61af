#!/usr/bin/env node
process.stdout.write("headrace\n");
