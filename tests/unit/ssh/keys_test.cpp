#include "executors/ssh/keys.hpp"

#include "executors/ssh/bcrypt.hpp"
#include "executors/ssh/wire.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

using namespace muster;
using namespace muster::ssh;

namespace {

/// A folder that goes away, with keys made by the tools that users have.
class key_folder {
public:
  key_folder() {
    auto name = (std::filesystem::temp_directory_path() / "muster-keys-XXXXXX")
                  .string();
    REQUIRE_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }

  ~key_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string file(const std::string& name) const {
    return (path_ / name).string();
  }

  std::string read(const std::string& name) const {
    std::ifstream in{path_ / name};
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }

  /// Makes `name` and `name.pub`, returns the private text.
  std::string keygen(const std::string& name, const std::string& arguments) {
    run("ssh-keygen -q -f " + file(name) + " " + arguments);
    return read(name);
  }

  /// The base64 part of `name.pub`.
  std::string open_half(const std::string& name) const {
    std::istringstream in{read(name + ".pub")};
    std::string type;
    std::string base64;
    in >> type >> base64;
    return base64;
  }

  static void run(const std::string& command) {
    REQUIRE_EQ(std::system(command.c_str()), 0);
  }

private:
  std::filesystem::path path_;
};

/// The public half under the name that stands in .pub files.
std::string open_half(const private_key& key) {
  const auto& algorithm = key.algorithms().front();
  return base64_encode(
    key.public_blob(algorithm.starts_with("rsa-") ? "ssh-rsa" : algorithm));
}

} // namespace

TEST_CASE("keys of every kind and format have the public half of ssh-keygen") {
  struct row {
    const char* arguments;
    const char* algorithm;
    const char* description;
  };
  const row rows[] = {
    {"-N '' -t ed25519", "ssh-ed25519", "an ed25519 key"},
    {"-N '' -t ecdsa -b 256", "ecdsa-sha2-nistp256", "an ecdsa key (nistp256)"},
    {"-N '' -t ecdsa -b 384", "ecdsa-sha2-nistp384", "an ecdsa key (nistp384)"},
    {"-N '' -t ecdsa -b 521", "ecdsa-sha2-nistp521", "an ecdsa key (nistp521)"},
    {"-N '' -t ecdsa -b 256 -m PEM", "ecdsa-sha2-nistp256",
     "an ecdsa key (nistp256)"},
    {"-N '' -t ecdsa -b 521 -m PKCS8", "ecdsa-sha2-nistp521",
     "an ecdsa key (nistp521)"},
    {"-N '' -t rsa -b 1024", "rsa-sha2-256", "an RSA key of 1024 bits"},
    {"-N '' -t rsa -b 1024 -m PEM", "rsa-sha2-256", "an RSA key of 1024 bits"},
    {"-N '' -t rsa -b 1024 -m PKCS8", "rsa-sha2-256",
     "an RSA key of 1024 bits"},
  };
  key_folder folder;
  for (const auto& r : rows) {
    CAPTURE(r.arguments);
    auto name = std::to_string(&r - rows);
    auto key = parse_private_key(folder.keygen(name, r.arguments));
    REQUIRE_MESSAGE(key, key.error().text);
    CHECK_EQ((*key)->algorithms().front(), r.algorithm);
    CHECK_EQ((*key)->description(), r.description);
    CHECK_EQ(open_half(**key), folder.open_half(name));
    for (const auto& algorithm : (*key)->algorithms())
      CHECK((*key)->sign(algorithm, "some data"));
  }
}

TEST_CASE("an ed25519 key made by OpenSSL, in PKCS#8, can be used") {
  key_folder folder;
  key_folder::run("openssl genpkey -algorithm ed25519 -out "
                  + folder.file("key"));
  auto key = parse_private_key(folder.read("key"));
  REQUIRE_MESSAGE(key, key.error().text);
  CHECK_EQ((*key)->description(), "an ed25519 key");
  CHECK_EQ((*key)->sign("ssh-ed25519", "x")->size(), 64u);
}

TEST_CASE("a key with other line ends and blanks around is the same key") {
  key_folder folder;
  for (auto arguments : {"-N '' -t ed25519", "-N '' -t rsa -b 1024 -m PEM"}) {
    auto name = std::string{arguments}.substr(9, 3);
    auto text = folder.keygen(name, arguments);
    std::string mangled = "\n";
    for (char c : text)
      mangled += c == '\n' ? std::string{"\r\n  "} : std::string{c};
    auto key = parse_private_key(mangled);
    REQUIRE_MESSAGE(key, key.error().text);
    CHECK_EQ(open_half(**key), folder.open_half(name));
  }
}

TEST_CASE("a key with a passphrase is refused in words, in every format") {
  key_folder folder;
  for (auto format :
       {"-t ed25519", "-t rsa -b 1024 -m PEM", "-t ecdsa -m PKCS8"}) {
    CAPTURE(format);
    auto name = std::to_string(std::hash<std::string>{}(format));
    auto text = folder.keygen(name, std::string{"-N secret "} + format);
    auto key = parse_private_key(text);
    REQUIRE_FALSE(key);
    CHECK_EQ(key.error().code, connection_errc::not_authenticated);
    CHECK_MESSAGE(key.error().text.find("passphrase") != std::string::npos,
                  key.error().text);
  }
}

TEST_CASE("a key with a passphrase opens with it, in every format and cipher") {
  key_folder folder;
  for (auto format :
       {"-t ed25519", "-t rsa -b 1024", "-t rsa -b 1024 -m PEM",
        "-t ecdsa -b 384 -m PEM", "-t ecdsa -m PKCS8",
        "-t rsa -b 1024 -m PKCS8", "-t ed25519 -a 1 -Z aes128-ctr",
        "-t ed25519 -a 2 -Z aes192-ctr", "-t ed25519 -a 3 -Z aes256-cbc",
        "-t ecdsa -a 1 -Z aes128-cbc", "-t ed25519 -a 1 -Z 3des-cbc",
        "-t ed25519 -a 1 -Z aes256-gcm@openssh.com",
        "-t rsa -b 1024 -a 1 -Z aes128-gcm@openssh.com"}) {
    CAPTURE(format);
    auto name = std::to_string(std::hash<std::string>{}(format));
    auto text = folder.keygen(name, std::string{"-N 'a phrase' "} + format);
    auto key = parse_private_key(text, "a phrase");
    REQUIRE_MESSAGE(key, key.error().text);
    CHECK_EQ(open_half(**key), folder.open_half(name));
    CHECK((*key)->sign((*key)->algorithms().front(), "x"));
    auto unlocked = unlock_key(text, "a phrase");
    REQUIRE_MESSAGE(unlocked, unlocked.error().text);
    auto same = parse_private_key(*unlocked);
    REQUIRE_MESSAGE(same, same.error().text);
    CHECK_EQ(open_half(**same), folder.open_half(name));
    auto wrong = unlock_key(text, "another");
    REQUIRE_FALSE(wrong);
    CHECK_MESSAGE(wrong.error().text.find("does not open") != std::string::npos,
                  wrong.error().text);
    CHECK_EQ(wrong.error().text.find("another"), std::string::npos);
  }
}

TEST_CASE("a key without a passphrase is the same with one") {
  key_folder folder;
  auto text = folder.keygen("plain", "-N '' -t ed25519");
  auto unlocked = unlock_key(text, "not needed");
  REQUIRE(unlocked);
  CHECK_EQ(*unlocked, text);
}

TEST_CASE("a key derivation without end is not begun") {
  key_folder folder;
  auto text = folder.keygen("slow", "-N x -a 1 -t ed25519");
  auto begin = text.find('\n') + 1;
  auto end = text.find("-----END");
  std::string body;
  for (char c : text.substr(begin, end - begin))
    if (c != '\n')
      body.push_back(c);
  auto bytes = *base64_decode(body);
  auto options = wire_u32(16); // of the salt, which is followed by the rounds
  auto at = bytes.find(options, bytes.find("bcrypt")) + 4 + 16;
  bytes.replace(at, 4, wire_u32(4'000'000'000));
  auto key = parse_private_key("-----BEGIN OPENSSH PRIVATE KEY-----\n"
                                 + base64_encode(bytes)
                                 + "\n-----END OPENSSH PRIVATE KEY-----\n",
                               "x");
  REQUIRE_FALSE(key);
  CHECK_NE(key.error().text.find("4000000000 rounds"), std::string::npos);
}

TEST_CASE("what people give by mistake is told apart") {
  key_folder folder;
  folder.keygen("key", "-N '' -t ed25519");
  struct row {
    std::string text;
    const char* says;
  };
  const row rows[] = {
    {folder.read("key.pub"), "is a public key"},
    {"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"},
    {"-----BEGIN PUBLIC KEY-----\n", "is a public key"},
    {"-----BEGIN CERTIFICATE-----\n", "is a certificate"},
    {"", "cannot be read"},
  };
  for (const auto& r : rows) {
    auto key = unlock_key(r.text, "");
    REQUIRE_FALSE(key);
    CHECK_MESSAGE(key.error().text.find(r.says) != std::string::npos,
                  key.error().text);
  }
}

TEST_CASE("bcrypt's key derivation gives what OpenBSD's does") {
  // Of OpenBSD's own tests: password, salt, 4 rounds.
  const unsigned char expected[]
    = {0x5b, 0xbf, 0x0c, 0xc2, 0x93, 0x58, 0x7f, 0x1c, 0x36, 0x35, 0x55,
       0x5c, 0x27, 0x79, 0x65, 0x98, 0xd4, 0x7e, 0x57, 0x90, 0x71, 0xbf,
       0x42, 0x7e, 0x9d, 0x8f, 0xbe, 0x84, 0x2a, 0xba, 0x34, 0xd9};
  auto key = bcrypt_key("password", "salt", 4, sizeof expected);
  CHECK_EQ(
    key, std::string(reinterpret_cast<const char*>(expected), sizeof expected));
}

TEST_CASE("what is no usable key is refused, and its text is not shown") {
  key_folder folder;
  key_folder::run("openssl genpkey -algorithm x25519 -out " + folder.file("x"));
  key_folder::run("openssl ecparam -name secp256k1 -genkey -noout -out "
                  + folder.file("k1"));
  auto open = folder.keygen("ed", "-N '' -t ed25519");
  for (const auto& text :
       {std::string{}, std::string{"hunter2"}, folder.read("x"),
        folder.read("k1"), folder.read("ed.pub"),
        std::string{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
                    "-----END OPENSSH PRIVATE KEY-----\n"}}) {
    auto key = parse_private_key(text);
    REQUIRE_FALSE(key);
    CHECK_EQ(key.error().code, connection_errc::not_authenticated);
    CHECK_EQ(key.error().text.find("hunter2"), std::string::npos);
  }
}

TEST_CASE("a cut or damaged key never does more than fail") {
  key_folder folder;
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 generator{seed};
  for (auto arguments :
       {"-N '' -t ed25519", "-N '' -t ecdsa", "-N '' -t rsa -b 1024"}) {
    auto name = std::to_string(std::hash<std::string>{}(arguments));
    auto text = folder.keygen(name, arguments);
    for (size_t size = 0; size + 40 < text.size(); size += 7)
      CHECK_FALSE(parse_private_key(text.substr(0, size)));
    auto begin = text.find('\n') + 1;
    auto end = text.find("-----END") - 1;
    auto body = text.substr(begin, end - begin);
    std::erase(body, '\n');
    auto bytes = *base64_decode(body);
    for (int i = 0; i < 500; ++i) {
      auto damaged = bytes;
      for (int j = 0; j < 3; ++j)
        damaged[generator() % damaged.size()] = static_cast<char>(generator());
      auto key
        = parse_private_key(text.substr(0, begin) + base64_encode(damaged)
                            + "\n" + text.substr(end + 1));
      if (key)
        (*key)->sign((*key)->algorithms().front(), "x");
    }
  }
}

TEST_CASE("the cache gives the same key for the same text, parsed once") {
  key_folder folder;
  key_cache cache;
  auto text = folder.keygen("a", "-N '' -t ed25519");
  auto first = cache.get(text);
  REQUIRE(first);
  CHECK_EQ(first->get(), cache.get(text)->get());
  CHECK_NE(first->get(),
           cache.get(folder.keygen("b", "-N '' -t ed25519"))->get());
  CHECK_FALSE(cache.get("nonsense"));
}
