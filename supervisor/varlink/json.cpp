// Boost.JSON, compiled here once: its headers alone are needed then, and no library of its own.
#include <boost/json/src.hpp>
