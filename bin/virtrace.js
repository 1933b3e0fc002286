#!/usr/bin/env node
import '../dist/recorder/cli/main.js';
