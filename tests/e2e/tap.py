# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the unittest cases of a program and speaks TAP."""
import sys
import time
import traceback
import unittest


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n, self.errors_of = 0, []

    def startTest(self, test):
        super().startTest(test)
        self.errors_of, self.begin = [], time.monotonic()

    def add(self, test, error):
        self.errors_of.append((str(test), ''.join(traceback.format_exception(*error))))

    def addError(self, test, err):
        super().addError(test, err)
        self.add(test, err)
        if not hasattr(test, '_testMethodName'):  # of setUpClass: no test was started
            self.finish(str(test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.add(subtest, err)

    def stopTest(self, test):
        skipped = [why for what, why in self.skipped if what is test]
        self.finish(test.id().removeprefix('__main__.'), skipped)
        super().stopTest(test)

    def finish(self, name, skipped=()):
        self.n += 1
        for what, text in self.errors_of:
            print(*(f'# {line}' for line in [what] + text.splitlines()), sep='\n')
        took = time.monotonic() - getattr(self, 'begin', time.monotonic())
        print('not ok' if self.errors_of else 'ok', self.n, name, f'({took:.1f} s)'.replace('#', ''),
              *(f'# SKIP {why}' for why in skipped), flush=True)
        self.errors_of = []


def main():
    """With names of tests as arguments: only those."""
    loader = unittest.defaultTestLoader
    module = sys.modules['__main__']
    names = [f'{a}' for a in sys.argv[1:]]
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = Result()
    print('TAP version 13', flush=True)
    suite.run(result)
    print(f'1..{result.n}')
    sys.exit(0 if result.wasSuccessful() and result.n > 0 else 1)
