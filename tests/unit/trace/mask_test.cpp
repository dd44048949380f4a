#include "actors/trace/mask.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace muster;

namespace {

class text_sink final : public trace_sink {
public:
  void text(std::string_view bytes) override {
    CHECK_FALSE(bytes.empty());
    all += bytes;
  }

  void mask() override {
    all += masked_text;
  }

  std::string all;
};

using strings = std::vector<std::string>;

std::shared_ptr<const phrase_set> set_of(const strings& x) {
  return std::make_shared<phrase_set>(x);
}

std::string phrases_hidden(const strings& phrases, const strings& writes) {
  text_sink end;
  phrase_filter filter{set_of(mask_phrases(phrases)), end};
  for (const auto& write : writes)
    filter.text(write);
  filter.close();
  return end.all;
}

std::string urls_hidden(const strings& writes) {
  text_sink end;
  url_filter filter{end};
  for (const auto& write : writes)
    filter.text(write);
  filter.close();
  return end.all;
}

std::string tokens_hidden(const strings& prefixes, const strings& writes) {
  text_sink end;
  token_filter filter{set_of(prefixes), end};
  for (const auto& write : writes)
    filter.text(write);
  filter.close();
  return end.all;
}

std::string all_hidden(const strings& phrases, const strings& writes) {
  text_sink end;
  token_filter tokens{set_of(token_prefixes({}, true)), end};
  url_filter urls{tokens};
  phrase_filter filter{set_of(mask_phrases(phrases)), urls};
  for (const auto& write : writes)
    filter.text(write);
  filter.close();
  urls.close();
  tokens.close();
  return end.all;
}

/// What `phrase_filter` promises, over a whole text.
std::string expected_hidden(const strings& phrases, const std::string& text) {
  std::vector<std::pair<size_t, size_t>> found;
  for (const auto& phrase : phrases)
    for (auto at = text.find(phrase); at != text.npos;
         at = text.find(phrase, at + 1))
      found.emplace_back(at, at + phrase.size());
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<std::pair<size_t, size_t>> widest;
  for (const auto& x : found) {
    auto is_within = std::any_of(found.begin(), found.end(), [&](auto& y) {
      return y != x && y.first <= x.first && x.second <= y.second;
    });
    if (!is_within)
      widest.push_back(x);
  }
  std::string out;
  size_t at = 0;
  size_t shown = 0;
  for (auto [begin, end] : widest) {
    if (at < begin)
      out += text.substr(at, begin - at);
    if (begin >= shown) {
      out += masked_text;
      shown = end;
    }
    at = end;
  }
  return out + text.substr(std::min(at, text.size()));
}

/// What `token_filter` promises, over a whole text.
std::string expected_tokens(const strings& prefixes, const std::string& text) {
  const std::string token = "0123456789abcdefghijklmnopqrstuvwxyz"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ._=-";
  std::string out;
  auto hiding = false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto begins = std::any_of(
      prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
        return i >= prefix.size()
               && text.compare(i - prefix.size(), prefix.size(), prefix) == 0;
      });
    if (token.find(text[i]) == token.npos) {
      hiding = false;
    } else if (hiding) {
      continue;
    } else if (begins) {
      out += masked_text;
      hiding = true;
      continue;
    }
    out += text[i];
  }
  return out;
}

strings cut_randomly(const std::string& text, std::mt19937& chance) {
  strings writes;
  for (size_t at = 0; at < text.size();) {
    auto size = std::uniform_int_distribution<size_t>{1, 9}(chance);
    writes.push_back(text.substr(at, size));
    at += size;
  }
  return writes;
}

std::string random_text(std::mt19937& chance, std::string_view alphabet,
                        size_t size_max) {
  std::string text(std::uniform_int_distribution<size_t>{1, size_max}(chance),
                   ' ');
  for (auto& c : text)
    c = alphabet[std::uniform_int_distribution<size_t>{0, alphabet.size()
                                                            - 1}(chance)];
  return text;
}

strings one_byte_each(const std::string& text) {
  strings writes;
  for (auto c : text)
    writes.emplace_back(1, c);
  return writes;
}

} // namespace

TEST_CASE("phrases are hidden, longest first, wherever the writes are cut") {
  struct row {
    const char* what;
    strings phrases;
    std::string text;
    std::string expected;
  };
  const row rows[] = {
    {"no phrases", {}, "abc", "abc"},
    {"one", {"secret"}, "a secret!", "a [MASKED]!"},
    {"twice in a row", {"secret"}, "secretsecret", "[MASKED][MASKED]"},
    {"an unfinished one stays", {"secret"}, "a secre", "a secre"},
    {"begun again", {"secret"}, "sesecret", "se[MASKED]"},
    {"the longer wins", {"abc", "abcdef"}, "abcdefabc", "[MASKED][MASKED]"},
    {"the longer fails", {"abc", "abcdef"}, "abcdex", "[MASKED]dex"},
    {"one within another", {"abcdefgh", "cdef"}, "abcdefgh", "[MASKED]"},
    {"overlapping ones leak nothing",
     {"bcdef", "abcd"},
     "abcdef!",
     "[MASKED]!"},
    {"one that overlaps itself", {"abab"}, "xababab", "x[MASKED]"},
    {"repeated", {"aa"}, "aaaa", "[MASKED][MASKED]"},
    {"repeated, odd", {"aa"}, "aaa", "[MASKED]"},
    {"failure function needed", {"aab"}, "aaab", "a[MASKED]"},
    {"suffix of a failed one", {"abcx", "bcd"}, "abcd", "a[MASKED]"},
    {"interrupted", {"secret"}, "sec\nret", "sec\nret"},
    {"several lines", {"one\ntwo"}, "one\ntwo\n", "[MASKED]\n"},
    {"trimmed", {" secret\n"}, "secret", "[MASKED]"},
    {"equal to the mask", {"[MASKED]"}, "a [MASKED]b", "a [MASKED]b"},
    {"a part of the mask",
     {"MASKED", "hunter22"},
     "hunter22 MASKED",
     "[MASKED] [MASKED]"},
    {"of brackets", {"[", "]"}, "[x]", "[MASKED]x[MASKED]"},
    {"nothing to hide", {"", " \n"}, "a b\n", "a b\n"},
    {"each the beginning of the next",
     {"a1", "a1b2", "a1b2c3"},
     "a1 a1b2 a1b2c3 a1b2c",
     "[MASKED] [MASKED] [MASKED] [MASKED]c"},
    {"the end of one begins another",
     {"abcd", "cdef"},
     "abcdef abcd cdef",
     "[MASKED] [MASKED] [MASKED]"},
    {"a certificate",
     {"-----BEGIN-----\nMIIB\n-----END-----\n"},
     "x\n-----BEGIN-----\nMIIB\n-----END-----\ny",
     "x\n[MASKED]\ny"},
    {"a certificate with other line ends",
     {"BEGIN\nMIIB\nEND"},
     "BEGIN\r\nMIIB\r\nEND",
     "BEGIN\r\nMIIB\r\nEND"},
    {"any bytes",
     {std::string("\0\xff", 2)},
     std::string("a\0\xff", 3),
     "a[MASKED]"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(phrases_hidden(r.phrases, {r.text}), r.expected);
    CHECK_EQ(phrases_hidden(r.phrases, one_byte_each(r.text)), r.expected);
  }
}

TEST_CASE("no byte of any phrase gets out, whatever the text and the writes") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (auto round = 0; round < 3000; ++round) {
    std::string_view alphabet = round % 2 == 0 ? "ab" : "abc\n";
    strings phrases;
    for (auto n = chance() % 5; n-- > 0;)
      phrases.push_back(random_text(chance, alphabet.substr(0, 3), 7));
    auto text = random_text(chance, alphabet, 200);
    auto writes = cut_randomly(text, chance);
    CAPTURE(text);
    REQUIRE_EQ(phrases_hidden(phrases, writes), expected_hidden(phrases, text));
  }
}

TEST_CASE("a phrase filter holds back no more than can become a phrase") {
  text_sink end;
  phrase_filter filter{set_of({"abcdef"}), end};
  filter.text("xxabc");
  CHECK_EQ(end.all, "xx");
  filter.text("d");
  CHECK_EQ(end.all, "xx");
  filter.text("x");
  CHECK_EQ(end.all, "xxabcdx");
}

TEST_CASE("a flood of one letter is hidden in little memory and time") {
  std::string flood(1 << 20, 'a');
  auto shown = phrases_hidden({std::string(1000, 'a'), "aaa"}, {flood});
  CHECK_EQ(shown.find('a'), shown.npos);
}

TEST_CASE("values of masked variables are trimmed, deduplicated and sorted") {
  CHECK_EQ(mask_phrases({"b", "", " ", "aa", "\tb\n", "a\u00a0"}),
           strings{"a", "b", "aa"});
}

TEST_CASE("secret URL parameters are hidden") {
  struct row {
    const char* what;
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"first", "?private_token=abc ", "?private_token=[MASKED] "},
    {"later", "?a=b&rss_token=x&c=d", "?a=b&rss_token=[MASKED]&c=d"},
    {"letter case", "?X-AMZ-Signature=x", "?X-AMZ-Signature=[MASKED]"},
    {"empty", "?private_token=&b", "?private_token=[MASKED]&b"},
    {"at the end", "?authenticity_token=", "?authenticity_token=[MASKED]"},
    {"ends at a newline", "?x-amz-credential=a/b%2F\nc",
     "?x-amz-credential=[MASKED]\nc"},
    {"equal signs belong to it", "?rss_token=a=b c", "?rss_token=[MASKED] c"},
    {"two in a row", "?rss_token=a&private_token=b?",
     "?rss_token=[MASKED]&private_token=[MASKED]?"},
    {"another key", "?private_tokens=a", "?private_tokens=a"},
    {"a prefix of it", "?x-amz-security-token-and-more=a",
     "?x-amz-security-token-and-more=a"},
    {"longest key", "&x-amz-security-token=a&",
     "&x-amz-security-token=[MASKED]&"},
    {"no parameter", "private_token=a", "private_token=a"},
    {"begun twice", "?pri?private_token=a", "?pri?private_token=[MASKED]"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(urls_hidden({r.text}), r.expected);
    CHECK_EQ(urls_hidden(one_byte_each(r.text)), r.expected);
  }
}

TEST_CASE("tokens are hidden after their prefix") {
  struct row {
    const char* what;
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"token", "glpat-abc def", "glpat-[MASKED] def"},
    {"all its characters", "glpat-aZ0._=-!", "glpat-[MASKED]!"},
    {"bare", "glpat- x", "glpat- x"},
    {"at the end", "glpat-", "glpat-"},
    {"two", "glpat-a,glrt-b\n", "glpat-[MASKED],glrt-[MASKED]\n"},
    {"within a word", "xglpat-a", "xglpat-[MASKED]"},
    {"begun twice", "glglpat-a", "glglpat-[MASKED]"},
    {"prefix within a token", "glrt-glpat-abc!", "glrt-[MASKED]!"},
    {"cookie", "_gitlab_session=12ab; x", "_gitlab_session=[MASKED]; x"},
    {"a longer prefix", "glrtr-a glrt-a", "glrtr-[MASKED] glrt-[MASKED]"},
    {"unknown prefix", "glxyz-abc", "glxyz-abc"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto prefixes = token_prefixes({}, true);
    CHECK_EQ(tokens_hidden(prefixes, {r.text}), r.expected);
    CHECK_EQ(tokens_hidden(prefixes, one_byte_each(r.text)), r.expected);
  }
}

TEST_CASE("tokens are hidden whatever the prefixes and the writes") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (auto round = 0; round < 2000; ++round) {
    strings prefixes;
    for (auto n = chance() % 4; n-- > 0;)
      prefixes.push_back(random_text(chance, "ab- ", 4));
    auto text = random_text(chance, "ab- !", 150);
    CAPTURE(text);
    REQUIRE_EQ(tokens_hidden(prefixes, cut_randomly(text, chance)),
               expected_tokens(prefixes, text));
  }
}

TEST_CASE("the first 15 prefixes by length and text are in force") {
  CHECK_EQ(token_prefixes({}, false), strings{"glpat-"});
  CHECK_EQ(token_prefixes({" ab- ", "", "glpat-", "b-"}, false),
           strings{"b-", "ab-", "glpat-"});
  auto all = token_prefixes({"x1-", "x2-"}, true);
  CHECK_EQ(all.size(), 15);
  CHECK_EQ(all.front(), "x1-");
  CHECK(std::find(all.begin(), all.end(), "_gitlab_session=") == all.end());
}

TEST_CASE("filters work together") {
  struct row {
    const char* what;
    const char* text;
    const char* expected;
  };
  const row rows[] = {
    {"phrase as a token", "glpat-hunter22", "glpat-[MASKED]"},
    {"a token around a phrase", "glpat-hunter22abc ",
     "glpat-[MASKED][MASKED] "},
    {"phrase as a parameter", "?rss_token=hunter22&a", "?rss_token=[MASKED]&a"},
    {"token as a parameter", "?rss_token=glpat-abc&a", "?rss_token=[MASKED]&a"},
    {"a phrase within a key", "?rss_hunter22token=a", "?rss_[MASKED]token=a"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    CHECK_EQ(all_hidden({"hunter22"}, {r.text}), r.expected);
    CHECK_EQ(all_hidden({"hunter22"}, one_byte_each(r.text)), r.expected);
  }
}

TEST_CASE("where writes are cut changes nothing") {
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  const strings words = {"glpat-", "abcabc", "?rss_token=", "&", " ", "\n",
                         "abc",    "glrt-",  "x",           "=", "c"};
  for (auto round = 0; round < 1000; ++round) {
    std::string text;
    for (auto n = chance() % 30; n-- > 0;)
      text += words[chance() % words.size()];
    if (text.empty())
      continue;
    CAPTURE(text);
    REQUIRE_EQ(all_hidden({"abcabc", "cx"}, cut_randomly(text, chance)),
               all_hidden({"abcabc", "cx"}, {text}));
  }
}
