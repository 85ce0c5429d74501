// For tests: a program that only starts if its loader finds the library.
extern "C" int gpunode_fixture_answer();
int main() {
  return gpunode_fixture_answer() == 42 ? 0 : 3;
}
