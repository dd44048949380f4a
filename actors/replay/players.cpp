#include "actors/replay/players.hpp"

namespace muster {

namespace {

template <class Map, class Key>
actor_again* in(const Map& from, const Key& key) {
  auto found = from.find(key);
  return found == from.end() ? nullptr : found->second;
}

} // namespace

actor_again& players::add(actor_again x) {
  auto& made = all_.emplace_back(std::move(x));
  actors_[made.handle.id()] = &made;
  if (made.who.number != 0)
    numbers_[made.who.number] = &made;
  if (!made.who.role.empty())
    roles_[made.who.role] = &made;
  return made;
}

actor_again* players::by_number(uint32_t number) {
  return in(numbers_, number);
}

actor_again* players::by_actor(caf::actor_id id) {
  return in(actors_, id);
}

actor_again* players::by_role(const std::string& role) {
  return in(roles_, role);
}

void players::bind(actor_again& x, const player& who) {
  x.who = who;
  numbers_[who.number] = &x;
  roles_[who.role] = &x;
}

void players::clear() {
  numbers_.clear();
  actors_.clear();
  roles_.clear();
  all_.clear();
}

} // namespace muster
