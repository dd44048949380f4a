#include "actors/trace/mask.hpp"

#include <algorithm>

namespace muster {

namespace {

constexpr size_t prefixes_max = 15;

constexpr const char* default_prefixes[]
  = {"gloas-", "gldt-",  "glrt-",    "glcbt-",  "glrtr-",  "glptt-",
     "glft-",  "glimt-", "glagent-", "glsoat-", "glffct-", "_gitlab_session=",
     "gltok-"};

constexpr std::string_view secret_keys[]
  = {"private_token",   "authenticity_token", "rss_token",
     "x-amz-signature", "x-amz-credential",   "x-amz-security-token"};

/// White space as Unicode has it, in UTF-8: values are trimmed as the peer
/// does.
constexpr std::string_view spaces[]
  = {" ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\u0085",
     "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004",
     "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
     "\u2029", "\u202f", "\u205f", "\u3000"};

std::string trimmed(std::string_view x) {
  auto strip = [&x] {
    for (auto space : spaces) {
      if (x.starts_with(space)) {
        x.remove_prefix(space.size());
        return true;
      }
      if (x.ends_with(space)) {
        x.remove_suffix(space.size());
        return true;
      }
    }
    return false;
  };
  while (strip()) {
  }
  return std::string{x};
}

/// Trims, drops empty values and duplicates, sorts by length and text.
std::vector<std::string> normalized(std::vector<std::string> values) {
  for (auto& value : values)
    value = trimmed(value);
  std::erase(values, std::string{});
  std::sort(values.begin(), values.end(),
            [](const std::string& a, const std::string& b) {
              return a.size() != b.size() ? a.size() < b.size() : a < b;
            });
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
         || (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '='
         || c == '-';
}

/// What ends the value of a URL parameter.
bool is_value_end(char c) {
  return c == '?' || c == '&' || static_cast<unsigned char>(c) <= ' '
         || c == 0x7f;
}

const byte_set& parameter_starts() {
  static const byte_set starts{"?&"};
  return starts;
}

} // namespace

std::vector<std::string> mask_phrases(const std::vector<std::string>& values) {
  return normalized(values);
}

std::vector<std::string>
token_prefixes(const std::vector<std::string>& of_the_job, bool all_defaults) {
  auto prefixes = of_the_job;
  prefixes.emplace_back("glpat-");
  if (all_defaults)
    prefixes.insert(prefixes.end(), std::begin(default_prefixes),
                    std::end(default_prefixes));
  prefixes = normalized(std::move(prefixes));
  if (prefixes.size() > prefixes_max)
    prefixes.resize(prefixes_max);
  return prefixes;
}

// -- phrases ------------------------------------------------------------------

phrase_filter::phrase_filter(std::shared_ptr<const phrase_set> phrases,
                             trace_sink& next)
  : phrases_(std::move(phrases)),
    next_(next) {
}

void phrase_filter::text(std::string_view bytes) {
  const auto& phrases = *phrases_;
  if (phrases.empty())
    return next_.text(bytes);
  base_ = at_;
  size_t i = 0;
  while (i < bytes.size()) {
    if (node_ == phrase_set::root) {
      i = phrases.skip(bytes, i);
      if (i == bytes.size())
        break;
    }
    node_ = phrases.next(node_, static_cast<unsigned char>(bytes[i]));
    ++i;
    if (phrases.longest(node_) > 0)
      found(base_ + i, bytes);
  }
  at_ = base_ + bytes.size();
  settle(at_ - phrases.depth(node_), bytes);
  held_ = phrases.path(node_);
}

void phrase_filter::mask() {
  next_.mask();
}

void phrase_filter::close() {
  base_ = at_;
  settle(at_, {});
  node_ = phrase_set::root;
  held_ = {};
}

/// Notes the longest phrase that ends at `end`. Nothing that comes later begins
/// before what the automaton still holds, so all before that is decided.
void phrase_filter::found(uint64_t end, std::string_view bytes) {
  occurrence here{end - phrases_->longest(node_), end};
  while (!found_.empty() && found_.back().begin >= here.begin)
    found_.pop_back();
  found_.push_back(here);
  if (found_.size() > found_max_) {
    settle(end - phrases_->depth(node_), bytes);
    found_max_ = std::max<size_t>(64, found_.size() * 2);
  }
}

/// Writes or hides everything before `until`: no occurrence that begins earlier
/// is unknown.
void phrase_filter::settle(uint64_t until, std::string_view bytes) {
  size_t done = 0;
  for (; done < found_.size() && found_[done].begin < until; ++done) {
    const auto& x = found_[done];
    copy(std::max(out_, hidden_), x.begin, bytes);
    if (x.begin >= shown_) {
      next_.mask();
      shown_ = x.end;
    }
    out_ = x.begin;
    hidden_ = x.end;
  }
  found_.erase(found_.begin(), found_.begin() + static_cast<ptrdiff_t>(done));
  copy(std::max(out_, hidden_), until, bytes);
  out_ = until;
}

/// Writes a range of positions, from what earlier writes left and this one.
void phrase_filter::copy(uint64_t from, uint64_t to, std::string_view bytes) {
  if (from >= to)
    return;
  if (from < base_) {
    auto end = std::min(to, base_);
    next_.text(held_.substr(held_.size() - (base_ - from), end - from));
    from = end;
  }
  if (from < to)
    next_.text(bytes.substr(from - base_, to - from));
}

// -- URL parameters -----------------------------------------------------------

url_filter::url_filter(trace_sink& next) : next_(next) {
}

bool url_filter::key_is_secret() const {
  std::string_view key{key_.data(), key_size_};
  return std::find(std::begin(secret_keys), std::end(secret_keys), key)
         != std::end(secret_keys);
}

void url_filter::feed_key(char byte) {
  if (byte == '?' || byte == '&')
    key_size_ = 0;
  else if (byte == '=')
    state_ = key_is_secret() ? state::value : state::outside;
  else if (key_size_ == key_.size())
    state_ = state::outside;
  else
    key_[key_size_++] = to_lower(byte);
}

void url_filter::text(std::string_view bytes) {
  size_t from = 0; // not written yet
  size_t i = 0;
  while (i < bytes.size()) {
    if (state_ == state::outside) {
      i = parameter_starts().find(bytes, i);
      if (i == bytes.size())
        break;
      ++i;
      key_size_ = 0;
      state_ = state::key;
    } else if (state_ == state::key) {
      feed_key(bytes[i++]);
      if (state_ == state::value) {
        next_.text(bytes.substr(from, i - from));
        from = i;
      }
    } else {
      while (i < bytes.size() && !is_value_end(bytes[i]))
        ++i;
      from = i;
      if (i < bytes.size()) {
        next_.mask();
        state_ = state::outside;
      }
    }
  }
  if (from < bytes.size())
    next_.text(bytes.substr(from));
}

void url_filter::mask() {
  if (state_ == state::value)
    return; // a part of the value, which is hidden as a whole
  state_ = state::outside;
  next_.mask();
}

void url_filter::close() {
  if (state_ == state::value)
    next_.mask();
  state_ = state::outside;
}

// -- tokens -------------------------------------------------------------------

token_filter::token_filter(std::shared_ptr<const phrase_set> prefixes,
                           trace_sink& next)
  : prefixes_(std::move(prefixes)),
    next_(next) {
}

void token_filter::text(std::string_view bytes) {
  const auto& prefixes = *prefixes_;
  size_t from = 0; // not written yet
  size_t i = 0;
  while (i < bytes.size()) {
    if (after_prefix_ && is_token_character(bytes[i])) {
      if (!hiding_ && from < i)
        next_.text(bytes.substr(from, i - from));
      hiding_ = true;
      from = i + 1;
    } else if (after_prefix_) {
      if (hiding_)
        next_.mask();
      hiding_ = false;
      after_prefix_ = false;
    } else if (node_ == phrase_set::root) {
      i = prefixes.skip(bytes, i);
      if (i == bytes.size())
        break;
    }
    node_ = prefixes.next(node_, static_cast<unsigned char>(bytes[i]));
    ++i;
    if (prefixes.longest(node_) > 0)
      after_prefix_ = true;
  }
  if (from < bytes.size())
    next_.text(bytes.substr(from));
}

/// The state stays: what follows a mask right behind a prefix is of the token.
void token_filter::mask() {
  next_.mask();
}

void token_filter::close() {
  if (hiding_)
    next_.mask();
  node_ = phrase_set::root;
  hiding_ = false;
  after_prefix_ = false;
}

} // namespace muster
