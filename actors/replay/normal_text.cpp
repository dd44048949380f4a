#include "actors/replay/normal_text.hpp"

#include "actors/recorder/record.hpp"
#include "actors/recorder/words.hpp"
#include "messages/dialer.hpp"
#include "messages/group.hpp"
#include "messages/journal.hpp"
#include "messages/recording.hpp"
#include "messages/trace.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

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

using trimmers
  = std::map<const std::type_info*, std::function<void(caf::message&)>>;

template <class T>
void add(trimmers& to, void (*less)(T&)) {
  to[&typeid(T)] = [less](caf::message& x) { less(x.get_mutable_as<T>(0)); };
}

void clear_texts(std::vector<manager_line>& lines) {
  for (auto& x : lines)
    x.text = {};
}

/// What takes out of messages that which is no decision: it comes from secrets,
/// from what a job's scripts are and print, or stands elsewhere in the record.
const trimmers& all_trimmers() {
  static const auto all = [] {
    trimmers out;
    add<exit_told>(out, [](auto& x) { x.who = {}; }); // it is the sender
    // Names of runners have some of the token.
    add<write_job>(out, [](auto& x) { x.runner.clear(); });
    add<read_jobs>(out, [](auto& x) { x.runner.clear(); });
    add<rename_runner>(out, [](auto& x) {
      x.from.clear();
      x.to.clear();
    });
    // Recordings of the first days do not have these, and they decide nothing
    // that the rest does not tell.
    add<decision_note>(out, [](auto& x) { x.removing = x.unconfirmed = 0; });
    add<config_in_force>(out, [](auto& x) { x.path.clear(); });
    add<open_stream>(out, [](auto& x) { x.temp_dir.clear(); });
    add<write_job_lines>(out, [](auto& x) { clear_texts(x.lines); });
    add<write_job_start>(out, [](auto& x) {
      clear_texts(x.lines);
      x.recipe.masked.clear();
      for (auto& stage : x.recipe.stages)
        stage.before.clear();
    });
    add<finish>(
      out, [](auto& x) { x.words_from = std::min<int64_t>(x.words_from, 0); });
    return out;
  }();
  return all;
}

/// Null: all of it are decisions.
const std::function<void(caf::message&)>* trimmer_of(const caf::message& x) {
  if (x.size() != 1)
    return nullptr;
  auto found = all_trimmers().find(x.type(0).second);
  return found == all_trimmers().end() ? nullptr : &found->second;
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
  if (const auto* trim = trimmer_of(read.what))
    (*trim)(read.what);
  record told;
  told.what = std::move(read.what);
  told.type = std::move(read.type);
  told.problem = std::move(read.problem);
  return without_numbers(words_of(told));
}

comparable::comparable(caf::message what) : what_(std::move(what)) {
  const auto* trim = trimmer_of(what_);
  auto less = trim == nullptr ? what_ : caf::message::copy(what_.content());
  if (trim != nullptr)
    (*trim)(less);
  bytes_ = bytes_of(less.content());
}

bool comparable::is(const comparable& recorded) const {
  return bytes_ == recorded.bytes_ || matches(text(), recorded.text());
}

} // namespace muster
