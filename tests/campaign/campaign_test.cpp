#include "tests/campaign/campaign.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <string>

using namespace muster;

namespace {

uint64_t number_in(const char* variable, uint64_t otherwise) {
  const auto* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

void run_seed(uint64_t seed) {
  test::campaign it{seed};
  if (it.run() == 0)
    return;
  std::string story;
  for (const auto& line : it.story())
    story += line + "\n";
  FAIL_CHECK("to see it again: MUSTER_SEED=", seed,
             " build/tests/campaign/campaign\n", story);
}

} // namespace

TEST_CASE("whatever fails, no promise of a group is broken, and it settles") {
  if (auto seed = number_in("MUSTER_SEED", 0); seed != 0) {
    run_seed(seed);
    return;
  }
  auto seeds = number_in("MUSTER_SEEDS", 2000);
  for (uint64_t seed = 1; seed <= seeds; ++seed)
    run_seed(seed);
}
