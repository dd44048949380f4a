#include "actors/slot/lifecycle.hpp"

namespace muster::slot_life {

namespace {

struct stepper {
  state& st;

  std::vector<action> operator()(const occupy_slot& x) {
    if (st.phase != slot_phase::free)
      return {tell_status{}};
    st = {slot_phase::held, x.key};
    return {watch_holder{}, tell_status{}};
  }

  std::vector<action> operator()(const vacate_slot& x) {
    return x.key == st.key ? (*this)(holder_gone{}) : std::vector<action>{};
  }

  std::vector<action> operator()(const holder_gone&) {
    if (st.phase != slot_phase::held)
      return {};
    st.phase = slot_phase::cleaning;
    return {have_cleaned{}, tell_status{}};
  }

  std::vector<action> operator()(const slot_cleaned& x) {
    if (st.phase != slot_phase::cleaning || x.key != st.key)
      return {};
    if (x.clean)
      st = {};
    else
      st.phase = slot_phase::unusable;
    return {tell_status{}};
  }
};

} // namespace

std::vector<action> step(state& st, const event& what) {
  return std::visit(stepper{st}, what);
}

} // namespace muster::slot_life
