extern "C" int gpunode_marker() {
  return 3;
}
