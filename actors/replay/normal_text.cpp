#include "actors/replay/normal_text.hpp"

#include "actors/recorder/record.hpp"
#include "actors/recorder/words.hpp"
#include "messages/dialer.hpp"
#include "messages/journal.hpp"
#include "messages/recording.hpp"
#include "messages/trace.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace muster {

namespace {

/// Each recording has numbers of its own: here they only keep secrets apart
/// from what is none.
class nobody_known final : public writing_context {
public:
  explicit nobody_known(bool hides) : hides_(hides) {
  }

  uint32_t number_of(uint64_t, const std::string&) const override {
    return 0;
  }

  secret_book& secrets() override {
    return secrets_;
  }

  bool hides() const override {
    return hides_;
  }

private:
  secret_book secrets_{hash_key{}};
  bool hides_;
};

const std::vector<std::string>& type_names() {
  static const std::vector<std::string> names{message_type_names().begin(),
                                              message_type_names().end()};
  return names;
}

bool is_digit(char x) {
  return (x >= '0' && x <= '9') || (x >= 'a' && x <= 'f');
}

/// `#17`, `<120 bytes #1f2e>`: what comes after the mark is the recording's.
std::string without_numbers(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] != '#')
      continue;
    while (i + 1 < text.size() && is_digit(text[i + 1]))
      ++i;
    constexpr std::string_view bytes = " bytes #";
    if (!out.ends_with(bytes))
      continue;
    auto begin = out.rfind('<');
    if (begin != std::string::npos)
      out.replace(begin, std::string::npos, "<bytes");
  }
  return out;
}

template <class T>
T* in(caf::message& what) {
  return what.match_elements<T>() ? &what.get_mutable_as<T>(0) : nullptr;
}

/// What is no decision: it comes from secrets, from what a job's scripts are
/// and print, or stands elsewhere in the record.
void leave_out(caf::message& what) {
  if (auto* end = in<exit_told>(what)) {
    end->who = {}; // it is the sender
  } else if (auto* job = in<write_job>(what)) {
    job->runner.clear(); // has some of the token
  } else if (auto* wanted = in<read_jobs>(what)) {
    wanted->runner.clear();
  } else if (auto* renamed = in<rename_runner>(what)) {
    renamed->from.clear();
    renamed->to.clear();
  } else if (auto* stream = in<open_stream>(what)) {
    stream->temp_dir.clear();
  } else if (auto* lines = in<write_job_lines>(what)) {
    for (auto& x : lines->lines)
      x.text = {};
  } else if (auto* start = in<write_job_start>(what)) {
    for (auto& x : start->lines)
      x.text = {};
    start->recipe.masked.clear();
    for (auto& x : start->recipe.stages)
      x.before.clear();
  } else if (auto* last = in<finish>(what)) {
    last->words_from = std::min<int64_t>(last->words_from, 0);
  }
}

/// Whether a text is as recorded, where parts of that may be hidden.
bool matches(std::string_view text, std::string_view recorded) {
  constexpr std::string_view hidden = "<secret";
  auto next = recorded.find(hidden);
  if (next == std::string_view::npos)
    return text == recorded;
  if (text.substr(0, next) != recorded.substr(0, next))
    return false;
  size_t at = next;
  while (next != std::string_view::npos) {
    auto end = recorded.find('>', next);
    if (end == std::string_view::npos)
      return false;
    recorded.remove_prefix(end + 1);
    next = recorded.find(hidden);
    auto part = recorded.substr(0, next);
    if (next == std::string_view::npos)
      return text.size() >= at + part.size() && text.ends_with(part);
    auto found = text.find(part, at);
    if (found == std::string_view::npos)
      return false;
    at = found + part.size();
  }
  return true;
}

bool has_more_than_decisions(const caf::message& x) {
  static const std::set<const std::type_info*> all{
    &typeid(exit_told),       &typeid(write_job),   &typeid(read_jobs),
    &typeid(rename_runner),   &typeid(open_stream), &typeid(write_job_lines),
    &typeid(write_job_start), &typeid(finish)};
  return x.size() == 1 && all.contains(x.type(0).second);
}

std::string bytes_of(const caf::type_erased_tuple& what) {
  static nobody_known context{false};
  constexpr size_t usual_bytes = 256;
  std::string out;
  out.reserve(usual_bytes);
  write_message(out, what, context);
  return out;
}

} // namespace

std::string normal_text(const caf::type_erased_tuple& what) {
  static nobody_known context{true};
  std::string bytes;
  write_message(bytes, what, context);
  auto read = read_message(bytes, type_names(), {});
  leave_out(read.what);
  record told;
  told.what = std::move(read.what);
  told.type = std::move(read.type);
  told.problem = std::move(read.problem);
  return without_numbers(words_of(told));
}

comparable::comparable(caf::message what) : what_(std::move(what)) {
  if (!has_more_than_decisions(what_)) {
    bytes_ = bytes_of(what_.content());
    return;
  }
  auto less = caf::message::copy(what_.content());
  leave_out(less);
  bytes_ = bytes_of(less.content());
}

bool comparable::is(const comparable& recorded) const {
  return bytes_ == recorded.bytes_ || matches(text(), recorded.text());
}

} // namespace muster
