#pragma once

#include "actors/trace/phrase_set.hpp"
#include "actors/trace/sink.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// The phrases to hide of the values of masked variables: trimmed of white
/// space, without empty ones and duplicates (reference/trace, section 4.1).
std::vector<std::string> mask_phrases(const std::vector<std::string>& values);

/// The token prefixes in force: those of the job, `glpat-`, and with
/// `all_defaults` (FF_MASK_ALL_DEFAULT_TOKENS) GitLab's others; trimmed,
/// deduplicated, sorted by length and text. Only the first 15 count
/// (reference/trace, section 4.3).
std::vector<std::string>
token_prefixes(const std::vector<std::string>& of_the_job, bool all_defaults);

/// Hides phrases. Every byte of every occurrence is hidden, also of occurrences
/// that overlap, whatever the writes' borders. An occurrence within another one
/// adds nothing; of the rest, in order, each is shown as one mask unless it
/// begins within the last one that was.
///
/// What may become a phrase is held back until it is decided or the filter is
/// closed: never more bytes than the longest phrase has.
///
/// Source: reference/trace, section 4.1. Unlike the peer's, which goes on at
/// the byte after a match or a failed one, this misses no overlapping
/// occurrence.
class phrase_filter final : public trace_sink {
public:
  phrase_filter(std::shared_ptr<const phrase_set> phrases, trace_sink& next);

  void text(std::string_view bytes) override;
  void mask() override;

  /// Writes what is held back. The filter can be used again.
  void close();

private:
  /// Positions in the stream of bytes that came in.
  struct occurrence {
    uint64_t begin = 0;
    uint64_t end = 0;
  };

  void found(uint64_t end, std::string_view bytes);
  void settle(uint64_t until, std::string_view bytes);
  void copy(uint64_t from, uint64_t to, std::string_view bytes);

  std::shared_ptr<const phrase_set> phrases_;
  trace_sink& next_;
  phrase_set::node_id node_ = phrase_set::root;
  std::string_view held_; ///< of earlier writes; lies in `phrases_`
  uint64_t base_ = 0;     ///< position of this write's first byte
  uint64_t at_ = 0;       ///< position of the byte that comes next
  uint64_t out_ = 0;      ///< everything before is written or hidden
  uint64_t hidden_ = 0;   ///< end of the last hidden occurrence
  uint64_t shown_ = 0;    ///< end of the last occurrence shown as a mask
  std::vector<occurrence> found_; ///< none within another, so both ends ascend
  size_t found_max_ = 0;          ///< settle what can be when there are more
};

/// Hides the values of URL parameters that carry secrets, whose keys are known
/// (reference/trace, section 4.2). Holds nothing back but the values.
class url_filter final : public trace_sink {
public:
  explicit url_filter(trace_sink& next);

  void text(std::string_view bytes) override;
  void mask() override;
  void close();

private:
  enum class state : uint8_t { outside, key, value };

  bool key_is_secret() const;
  void feed_key(char byte);

  trace_sink& next_;
  state state_ = state::outside;
  uint8_t key_size_ = 0;
  std::array<char, 20> key_{}; ///< in lower case; no known key is longer
};

/// Hides what follows a known prefix of tokens (reference/trace, section 4.3):
/// in each run of token characters all that comes after the first prefix that
/// ends in it or right before it. Holds nothing back but the hidden bytes.
class token_filter final : public trace_sink {
public:
  token_filter(std::shared_ptr<const phrase_set> prefixes, trace_sink& next);

  void text(std::string_view bytes) override;
  void mask() override;
  void close();

private:
  std::shared_ptr<const phrase_set> prefixes_;
  trace_sink& next_;
  phrase_set::node_id node_ = phrase_set::root;
  bool after_prefix_ = false; ///< a token character now belongs to a token
  bool hiding_ = false;       ///< one has: a mask is due at the end of the run
};

} // namespace muster
