"""What our code costs, beside what the same work costs elsewhere: ``python -m benchmarks``.

A case is a file in ``cases``, named in the list there. It yields comparisons: the same work of one
size, done by us and by a reference. What others' scripts do stands in ``references``, in our words.
Both sides take turns, and what they compute is compared too. No test asserts a time.
"""
