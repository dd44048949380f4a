#include "actors/replay/normal_text.hpp"

#include "actors/recorder/record.hpp"
#include "actors/recorder/words.hpp"
#include "messages/recording.hpp"

#include <utility>

namespace muster {

namespace {

/// Each recording has numbers of its own: here they only keep secrets apart
/// from what is none.
class nobody_known final : public writing_context {
public:
  uint32_t number_of(uint64_t, const std::string&) const override {
    return 0;
  }

  secret_book& secrets() override {
    return secrets_;
  }

private:
  secret_book secrets_{hash_key{}};
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

} // namespace

std::string normal_text(const caf::type_erased_tuple& what) {
  static nobody_known context;
  std::string bytes;
  write_message(bytes, what, context);
  record told;
  auto read = read_message(bytes, type_names(), {});
  // Who tells it is in the record, as the sender.
  if (read.what.match_elements<exit_told>())
    read.what.get_mutable_as<exit_told>(0).who = {};
  told.what = std::move(read.what);
  told.type = std::move(read.type);
  told.problem = std::move(read.problem);
  return without_numbers(words_of(told));
}

} // namespace muster
