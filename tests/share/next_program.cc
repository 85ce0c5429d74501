// Its exit status is what the library behind the asking one says.
extern "C" int gpunode_marker();
extern "C" int gpunode_next_marker();

int main() {
  return gpunode_marker() == 2 ? gpunode_next_marker() : 100;
}
