"""The kernel test suite of the Jupyter project."""
import unittest

import jupyter_kernel_test


class HeadraceTests(jupyter_kernel_test.KernelTests):
    kernel_name = "headrace"
    language_name = "headrace"
    file_extension = ".pipe"
    code_generate_error = "1 + nothing"
    code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": 'lower("ABC")', "result": "abc"}]
    complete_code_samples = ["let x = 1", "1 + 1"]
    incomplete_code_samples = ["let x = [1,", "let f = sqrt("]
    invalid_code_samples = ["let = 1"]
    completion_samples = [{"text": "shuf", "matches": {"shuffle"}}]


if __name__ == "__main__":
    unittest.main()
