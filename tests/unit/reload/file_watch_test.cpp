#include "tools/muster/file_watch.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

file_stamp version(int64_t number) {
  return {true, number, 100, 7};
}

} // namespace

TEST_CASE("a file is read again when it has changed and is still so") {
  file_watch watch{version(1)};
  CHECK_EQ(watch.look(version(1)), file_sight::same);
  CHECK_EQ(watch.look(version(2)), file_sight::settling);
  CHECK_EQ(watch.look(version(3)), file_sight::settling); // still written
  CHECK_EQ(watch.look(version(3)), file_sight::changed);
  CHECK_EQ(watch.look(version(3)), file_sight::same); // whatever was in it
}

TEST_CASE("a file of the same size and time is another by its number") {
  file_watch watch{version(1)};
  auto other = version(1);
  other.inode = 8;
  CHECK_EQ(watch.look(other), file_sight::settling);
  CHECK_EQ(watch.look(other), file_sight::changed);
}

TEST_CASE("a file that is moved away for a moment is not gone") {
  file_watch watch{version(1)};
  CHECK_EQ(watch.look({}), file_sight::settling);
  CHECK_EQ(watch.look(version(2)), file_sight::settling);
  CHECK_EQ(watch.look(version(2)), file_sight::changed);
}

TEST_CASE("a file that is gone is told once, and read when it is back") {
  file_watch watch{version(1)};
  CHECK_EQ(watch.look({}), file_sight::settling);
  CHECK_EQ(watch.look({}), file_sight::gone);
  CHECK_EQ(watch.look({}), file_sight::same);
  CHECK_EQ(watch.look(version(1)), file_sight::settling);
  CHECK_EQ(watch.look(version(1)), file_sight::changed);
}

TEST_CASE("what was read because somebody asked is not read once more") {
  file_watch watch{version(1)};
  CHECK_EQ(watch.look(version(2)), file_sight::settling);
  watch.was_read(version(2));
  CHECK_EQ(watch.look(version(2)), file_sight::same);
}

TEST_CASE("the stamp of a file that is not there says so") {
  CHECK_FALSE(stamp_of("/no/such/file").exists);
  CHECK(stamp_of("/proc/self/exe").exists);
}
