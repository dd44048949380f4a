#pragma once

#include "tools/bench/bed.hpp"
#include "tools/bench/figure.hpp"

#include <string>
#include <vector>

namespace muster::bench {

/// One run of a scenario as it collects its figures.
class recorder {
public:
  /// Begins a run: what is added belongs to it.
  void begin_run();
  void add(const figure_info& what, double value);

  const std::vector<figure>& figures() const {
    return figures_;
  }

private:
  std::vector<figure> figures_;
  size_t runs_ = 0;
};

struct scenario {
  std::string name;    ///< as in reference/peer-figures
  std::string what;    ///< one line for --help
  bool on_both_shells; ///< else the hosts' shell has no part in it
  bed_options (*make_bed)();
  /// One run on a bed that was started. `first` is the first run of this kind:
  /// what takes long and varies little is measured then only.
  result<void, bench_errc> (*run)(bed& on, recorder& to, bool first);
  int runs_max = 0;       ///< for what takes long; 0: as often as asked
  bool by_default = true; ///< else only when it is named
};

const std::vector<scenario>& scenarios();

std::vector<scenario> basic_scenarios();     ///< a, b1, b3, c: tiny jobs
std::vector<scenario> log_scenarios();       ///< b4, d: what jobs print
std::vector<scenario> provider_scenarios();  ///< e, f, n: hosts come and go
std::vector<scenario> fault_scenarios();     ///< g: what breaks
std::vector<scenario> container_scenarios(); ///< h1 to h3: in containers
std::vector<scenario> archive_scenarios();   ///< k: artifacts
std::vector<scenario> group_scenarios();     ///< s: decisions and memory

/// Runs a scenario `repeat` times, each time on a new bed.
outcome run_scenario(const scenario& what, const std::string& manager,
                     shell_startup shell, int repeat);

const char* to_string(shell_startup x);

} // namespace muster::bench
