#pragma once

#include "actors/trace/byte_set.hpp"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Finds every occurrence of any of a set of phrases in a stream of bytes:
/// Aho and Corasick's automaton, with sparse nodes (28 bytes for each byte of
/// phrase), since a masked value may be a whole certificate. Constant once
/// made, so that all filters of a job share one.
class phrase_set {
public:
  using node_id = uint32_t;

  /// No byte of any phrase has been seen.
  static constexpr node_id root = 0;

  /// Empty phrases and duplicates are left out.
  explicit phrase_set(const std::vector<std::string>& phrases);

  bool empty() const {
    return nodes_.size() == 1;
  }

  /// Returns where the byte leads to.
  node_id next(node_id from, unsigned char byte) const;

  /// How many of the last bytes can still become a phrase.
  size_t depth(node_id at) const {
    return nodes_[at].depth;
  }

  /// These bytes.
  std::string_view path(node_id at) const {
    return {text_.data() + nodes_[at].text, nodes_[at].depth};
  }

  /// Length of the longest phrase that ends here; 0: none does.
  size_t longest(node_id at) const {
    return nodes_[at].longest;
  }

  /// Returns the first position at or after `from` where a phrase can begin.
  size_t skip(std::string_view where, size_t from) const;

private:
  struct node {
    uint32_t first_child = 0; ///< 0: none
    uint32_t sibling = 0;     ///< 0: none
    uint32_t fail = 0;        ///< the longest proper suffix that is a node
    uint32_t depth = 0;
    uint32_t longest = 0;
    uint32_t text = 0; ///< where the path begins in `text_`
    unsigned char label = 0;
  };

  /// Place of two bytes in `pairs_`. Others may share it: it only rules out.
  static size_t pair_index(unsigned char first, unsigned char second) {
    return (first * 37u + second) % pairs_max;
  }

  static constexpr size_t pairs_max = 4096;

  node_id child(node_id of, unsigned char byte) const;
  void add(const std::string& phrase);
  void connect();

  std::vector<node> nodes_{1};
  std::array<node_id, 256> root_children_{};
  byte_set first_bytes_;
  std::bitset<pairs_max> pairs_; ///< with which phrases can begin
  std::string text_;             ///< all phrases, one after the other
};

} // namespace muster
