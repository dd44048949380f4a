#include "actors/trace/phrase_set.hpp"

#include <algorithm>

namespace muster {

phrase_set::phrase_set(const std::vector<std::string>& phrases) {
  for (const auto& phrase : phrases)
    if (!phrase.empty())
      add(phrase);
  connect();
  nodes_.shrink_to_fit();
  text_.shrink_to_fit();
}

size_t phrase_set::skip(std::string_view where, size_t from) const {
  auto begins = [&](size_t at) {
    return pairs_[pair_index(static_cast<unsigned char>(where[at]),
                             static_cast<unsigned char>(where[at + 1]))];
  };
  auto at = from;
  if (first_bytes_.is_small()) {
    at = first_bytes_.find(where, at);
    while (at + 1 < where.size() && !begins(at))
      at = first_bytes_.find(where, at + 1);
    return at;
  }
  // Some first byte is nearly everywhere: pairs are told apart faster.
  while (at + 1 < where.size() && !begins(at))
    ++at;
  return at + 1 < where.size() ? at : first_bytes_.find(where, at);
}

phrase_set::node_id phrase_set::child(node_id of, unsigned char byte) const {
  if (of == root)
    return root_children_[byte];
  auto found = nodes_[of].first_child;
  while (found != root && nodes_[found].label != byte)
    found = nodes_[found].sibling;
  return found;
}

phrase_set::node_id phrase_set::next(node_id from, unsigned char byte) const {
  for (;;) {
    if (auto to = child(from, byte); to != root)
      return to;
    if (from == root)
      return root;
    from = nodes_[from].fail;
  }
}

void phrase_set::add(const std::string& phrase) {
  auto begin = static_cast<uint32_t>(text_.size());
  text_ += phrase;
  auto first = static_cast<unsigned char>(phrase.front());
  first_bytes_.add(first);
  if (phrase.size() > 1)
    pairs_.set(pair_index(first, static_cast<unsigned char>(phrase[1])));
  else
    for (auto second = 0; second < 256; ++second)
      pairs_.set(pair_index(first, static_cast<unsigned char>(second)));
  auto at = root;
  for (auto c : phrase) {
    auto byte = static_cast<unsigned char>(c);
    auto to = child(at, byte);
    if (to == root) {
      to = static_cast<node_id>(nodes_.size());
      nodes_.push_back({.first_child = 0,
                        .sibling = at == root ? 0 : nodes_[at].first_child,
                        .fail = root,
                        .depth = nodes_[at].depth + 1,
                        .longest = 0,
                        .text = begin,
                        .label = byte});
      if (at == root)
        root_children_[byte] = to;
      else
        nodes_[at].first_child = to;
    }
    at = to;
  }
  nodes_[at].longest = nodes_[at].depth;
}

void phrase_set::connect() {
  // Breadth first: a node's suffixes are shorter, so they are done before it.
  std::vector<node_id> order;
  order.reserve(nodes_.size());
  for (auto first : root_children_)
    if (first != root)
      order.push_back(first);
  for (size_t i = 0; i < order.size(); ++i) {
    auto at = order[i];
    auto& here = nodes_[at];
    here.longest = std::max(here.longest, nodes_[here.fail].longest);
    for (auto to = here.first_child; to != root; to = nodes_[to].sibling) {
      nodes_[to].fail = next(here.fail, nodes_[to].label);
      order.push_back(to);
    }
  }
}

} // namespace muster
