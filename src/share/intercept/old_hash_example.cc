// A library as linkers made them before there was DT_GNU_HASH: for the test.
extern "C" {
int gpunode_old_first() {
  return 1;
}
int gpunode_old_second() {
  return 2;
}
int gpunode_old_third_with_a_long_name_whose_hash_overflows() {
  return 3;
}
int gpunode_old_variable = 4;
}
