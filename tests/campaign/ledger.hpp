#pragma once

#include "actors/simulated/simulation.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace muster::test {

/// Which promises hold in a campaign, by what its cloud and its hosts do.
struct promises_kept {
  int capacity = 0;      ///< the most that it ever was [slots]
  int max_use_count = 0; ///< likewise; 0: no limit
  int max_instances = 0; ///< likewise; 0: no limit
  /// The cloud tells of all machines at once, so that there are never too many.
  bool cloud_is_open = false;
  /// The cloud never lists as being made what is not. A machine that was
  /// removed and is listed so is taken for a new one.
  bool tells_of_making = false;
  /// Machines neither go nor seem to by themselves, so that no job loses its
  /// own.
  bool machines_stay = false;
};

/// The books of what truly happened to slots and machines, and what in it must
/// never happen whatever the faults are.
class ledger : public simulated::witness {
public:
  /// `tells` hears of each event.
  ledger(simulated::simulation& of, promises_kept holds,
         std::function<void(const std::string&)> tells);

  void increase_asked(int count) override;
  void decrease_asked(const std::vector<std::string>& ids) override;
  void slot_given(size_t index, const acquisition_key& key,
                  const instance_id& instance, int32_t slot) override;
  void slot_left(const acquisition_key& key) override;
  void slot_cleaned(const acquisition_key& key, bool clean) override;

  /// A machine goes by itself: nothing has to be cleaned there.
  void machine_lost(const std::string& id);

  /// What must hold between two messages.
  void look();

  /// How many promises were broken.
  int broken() const {
    return broken_;
  }

  void breaks(const std::string& promise);

private:
  using place = std::pair<std::string, int32_t>;

  bool is_there(const std::string& machine);

  simulated::simulation& of_;
  promises_kept holds_;
  std::function<void(const std::string&)> tells_;
  std::map<acquisition_key, place> held_;
  std::map<place, acquisition_key> holders_;
  std::map<acquisition_key, place>
    unclean_; ///< where it may have left something
  std::map<std::string, std::set<acquisition_key>> users_;
  bool told_lost_ = false;
  int broken_ = 0;
};

} // namespace muster::test
