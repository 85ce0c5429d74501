// For tests: stands for a library of the driver.
extern "C" int gpunode_fixture_answer();
int gpunode_fixture_answer() {
  return 42;
}
