#include "tools/muster/explain/timeline.hpp"

#include <doctest/doctest.h>

using namespace muster::explain;

namespace {

int64_t share(const timeline::shares& x, hunt what) {
  return x.us.at(static_cast<size_t>(what));
}

} // namespace

TEST_CASE("the shares of a time add up to it") {
  timeline x;
  x.set(100, hunt::permit);
  x.set(150, hunt::asking);
  x.set(160, hunt::asking); // nothing new
  x.set(200, hunt::pausing);
  auto all = x.between(50, 250);
  CHECK_EQ(all.unknown_us, 50);
  CHECK_EQ(share(all, hunt::permit), 50);
  CHECK_EQ(share(all, hunt::asking), 50);
  CHECK_EQ(share(all, hunt::pausing), 50);
  CHECK_EQ(share(all, hunt::promise), 0);
  auto part = x.between(120, 160);
  CHECK_EQ(part.unknown_us, 0);
  CHECK_EQ(share(part, hunt::permit), 30);
  CHECK_EQ(share(part, hunt::asking), 10);
  CHECK_EQ(x.between(10, 10).unknown_us, 0);
  CHECK_EQ(timeline{}.between(3, 10).unknown_us, 7);
}

TEST_CASE("a timeline has a bound and forgets the oldest") {
  timeline x;
  auto end = static_cast<int64_t>(timeline::kept) * 2;
  for (int64_t i = 0; i < end; ++i)
    x.set(i, i % 2 == 0 ? hunt::permit : hunt::asking);
  auto all = x.between(0, end);
  CHECK_EQ(all.unknown_us, static_cast<int64_t>(timeline::kept));
  CHECK_EQ(share(all, hunt::permit) + share(all, hunt::asking),
           static_cast<int64_t>(timeline::kept));
}
