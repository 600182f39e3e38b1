// The second makes the implementation, also where precompiled headers have the first part of
// doctest.h in already.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
