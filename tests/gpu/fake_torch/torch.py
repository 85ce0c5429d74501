"""A PyTorch that does nothing, at once, whatever it is asked for: for tests of those who start PyTorch programs."""


class Anything:
    def __getattr__(self, _):
        return self

    def __call__(self, *_, **__):
        return self

    def __sub__(self, _):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything()
