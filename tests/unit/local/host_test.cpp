#include "providers/local/host.hpp"

#include <doctest/doctest.h>

using namespace muster::local;

namespace {

constexpr auto passwd = "root:x:0:0:root:/root:/bin/bash\n"
                        "rooty:x:1:1::/:/bin/false\n"
                        "short:x\n";

} // namespace

TEST_CASE("one field of one account is replaced and all else kept") {
  CHECK_EQ(with_field(passwd, "root", 6, "/bin/sh"),
           "root:x:0:0:root:/root:/bin/sh\n"
           "rooty:x:1:1::/:/bin/false\n"
           "short:x\n");
  CHECK_EQ(with_field(passwd, "nobody", 6, "/bin/sh"), passwd);
  CHECK_EQ(with_field(passwd, "short", 6, "/bin/sh"), passwd);
  CHECK_EQ(with_field("", "root", 6, "/bin/sh"), "");
}

TEST_CASE("a field is found by the whole name") {
  CHECK_EQ(field_of(passwd, "root", 6), "/bin/bash");
  CHECK_EQ(field_of(passwd, "rooty", 6), "/bin/false");
  CHECK_FALSE(field_of(passwd, "roo", 6).has_value());
  CHECK_FALSE(field_of(passwd, "short", 6).has_value());
}
