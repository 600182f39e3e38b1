// Boost.Asio, compiled here once: elsewhere its headers only declare
// (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/impl/src.hpp>
