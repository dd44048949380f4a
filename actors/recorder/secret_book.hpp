#pragma once

#include "actors/recorder/keyed_hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace muster {

/// What a secret may do beside getting a number.
enum class in_texts : uint8_t {
  left,   ///< texts that have it stay as they are: it is shown in GitLab
  hidden, ///< it is hidden in all texts that come later
};

/// What of a text is to be hidden, and as what.
struct hidden_part {
  size_t begin = 0;
  size_t end = 0;
  uint64_t number = 0; ///< of the secret; 0: it looks like one
};

/// Which windows of six bytes there are, by their hash: most are not.
class window_filter {
public:
  window_filter() : bits_(1024) {
  }

  bool has(uint16_t hash) const {
    return (bits_[hash / 64] >> hash % 64 & 1) != 0;
  }

  void add(uint16_t hash) {
    bits_[hash / 64] |= uint64_t{1} << hash % 64;
  }

  void add(const window_filter& other);

private:
  std::vector<uint64_t> bits_;
};

/// Which bytes a text has, roughly: a bit stands for four.
using byte_mask = uint64_t;

/// What a text must have at least to have a hidden one in it, whole or cut off,
/// raw or as digits: most have not, which is told at once. Escapes aside.
class hidden_trait {
public:
  explicit hidden_trait(std::string_view value);

  bool may_be_in(byte_mask text) const;

private:
  std::array<byte_mask, 10> needs_; ///< one of these
};

/// Texts to be found in others: a set that only grows.
class hidden_set {
public:
  hidden_set();

  /// The shortest that is looked for: below, words would be hidden. [bytes]
  static constexpr size_t length_min = 6;

  /// @param also gets the windows of this text, too
  void add(std::string_view value, uint64_t number, window_filter& also);

  /// Appends where one of them stands in `text` that has a window with this
  /// hash at `at`; also one that begins or ends outside of it, if enough is
  /// inside.
  void find_at(std::string_view text, size_t at, uint16_t hash,
               std::vector<hidden_part>& into) const;

  /// What has none of these windows has none of the texts.
  const window_filter& windows() const {
    return windows_;
  }

  size_t bytes() const {
    return bytes_;
  }

  size_t size() const {
    return values_.size();
  }

private:
  struct row {
    std::string value;
    uint64_t number = 0;
    uint32_t anchor = 0;   ///< where the window begins that finds it
    uint32_t next[3] = {}; ///< in the chains of its windows; 0: none
  };

  enum chain : uint8_t { anchored, first, last };

  void link(chain which, uint16_t hash, uint32_t at);

  std::vector<row> values_; ///< from 1 on
  std::vector<uint32_t> heads_;
  std::vector<uint8_t> lengths_; ///< of anchored chains, up to 255
  window_filter windows_;
  size_t bytes_ = 0;
};

/// Numbers the secrets of a run, equal ones equally, and keeps them out of
/// texts. It remembers a bounded number: one that was not seen for some 16,000
/// others gets another number and is not looked for any more. Those that are
/// kept are never forgotten.
class secret_book {
public:
  explicit secret_book(const hash_key& key);
  secret_book(const secret_book&) = delete;
  secret_book& operator=(const secret_book&) = delete;
  ~secret_book();

  /// The number of a secret, from 1 on; 0: it is empty.
  uint64_t number(std::string_view value, in_texts how = in_texts::hidden);

  /// The same, for one that is never forgotten: of a configuration.
  uint64_t keep(std::string_view value, in_texts how = in_texts::hidden);

  /// Different secrets so far.
  uint64_t count() const {
    return numbers_;
  }

  /// Replaces in a text what is secret by `<secret#17>`, raw or as base64,
  /// hexadecimal digits, percent or backslash escapes, whole or cut off at an
  /// end; and what looks like a secret by `<secret>`. Returns false if there is
  /// nothing to replace; `into` is left alone then.
  bool scrub(std::string_view text, std::string& into);

  /// Whether there is something to replace in a text.
  bool finds(std::string_view text);

  /// Tells equal texts from others, and nothing else.
  uint64_t fingerprint(std::string_view text) const {
    return keyed_hash(key_, text);
  }

private:
  struct generation;

  struct known {
    uint64_t number = 0; ///< 0: not known
    bool hidden = false;
  };

  known look_up(std::string_view value, uint64_t hash, bool hides);
  void hide(std::string_view value, uint64_t number, generation& in,
            bool is_new);
  bool is_still_clean(uint64_t since, std::string_view text) const;
  void find(std::string_view text, std::vector<hidden_part>& into) const;
  void find_in_view(std::string_view view, const std::vector<uint32_t>& at,
                    std::vector<hidden_part>& into) const;
  void find_in_runs(std::string_view text, std::vector<hidden_part>& into);
  void find_escaped(std::string_view text, std::vector<hidden_part>& into);
  void turn_page();

  hash_key key_;
  uint64_t numbers_ = 0;
  std::unique_ptr<generation> kept_;
  std::unique_ptr<generation> current_;
  std::unique_ptr<generation> former_;
  window_filter windows_; ///< of all of them
  struct clean_text {
    uint64_t hash = 0;
    uint64_t traits = 0; ///< as many were known
  };

  struct seen_secret {
    uint64_t hash = 0;
    known is;
  };

  std::vector<seen_secret> seen_;   ///< on this page: many come again
  std::vector<clean_text> clean_;   ///< found to have nothing: many come again
  std::deque<hidden_trait> traits_; ///< of the last that were learned
  uint64_t traits_count_ = 0;       ///< ever
  std::vector<hidden_part> parts_;
  std::string decoded_;
  std::vector<uint32_t> offsets_;
};

/// Appends what of a text looks like a secret whoever has it: the password in a
/// URL, a private key, tokens with GitLab's prefixes, what follows `token=`.
void find_suspicious(std::string_view text, std::vector<hidden_part>& into);

} // namespace muster
