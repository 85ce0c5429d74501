/* What the modules know of each other. */
void nvidia_stub_is_here(void);
