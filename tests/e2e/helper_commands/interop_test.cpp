#include "tests/e2e/helper_commands/run.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace muster::test;

namespace {

/// Extracts an archive as a cache, into the current folder.
command_end extract_file(const std::string& path) {
  return run_helper({"cache-extractor", "--file", path});
}

command_end archive(const std::string& path, const std::string& format) {
  return run_helper({"cache-archiver", "--file", path, "--path", "tree",
                     "--compression-format", format});
}

void python(const std::string& program) {
  auto end = run_program({"python3", "-c", program});
  CAPTURE(end.err);
  REQUIRE_EQ(end.status, 0);
}

void make_tree() {
  write_file("tree/text", std::string(100'000, 't'));
  write_file("tree/empty", "");
  write_file("tree/\xc3\xa4/deep/file", "deep");
  fs::create_symlink("text", "tree/link");
  fs::permissions("tree/text", static_cast<fs::perms>(0741));
}

void check_tree(const fs::path& at) {
  CHECK(read_file(at / "text") == std::string(100'000, 't'));
  CHECK(fs::is_empty(at / "empty"));
  CHECK_EQ(read_file(at / "\xc3\xa4/deep/file"), "deep");
  CHECK_EQ(fs::read_symlink(at / "link").string(), "text");
  CHECK_EQ(fs::status(at / "text").permissions(), static_cast<fs::perms>(0741));
}

} // namespace

TEST_CASE("unzip reads our zip files") {
  scratch here;
  make_tree();
  REQUIRE_EQ(archive("../a.zip", "zip").status, 0);
  auto test = run_program({"unzip", "-tq", "../a.zip"});
  CAPTURE(test.out);
  CHECK_EQ(test.status, 0);
  auto end = run_program({"unzip", "-q", "../a.zip", "-d", "../out"},
                         {"LC_ALL=C.UTF-8"});
  CAPTURE(end.err);
  CHECK_EQ(end.status, 0);
  check_tree(here.root() / "out/tree");
}

TEST_CASE("Python reads our zip files: names, modes, times, owners") {
  scratch here;
  make_tree();
  REQUIRE_EQ(archive("../a.zip", "zip").status, 0);
  python(R"(
import os, struct, zipfile
z = zipfile.ZipFile('../a.zip')
assert z.testzip() is None
for i in z.infolist():
    facts = os.lstat(i.filename)
    assert i.external_attr >> 16 == facts.st_mode, i
    assert i.flag_bits & 0x800, i
    assert i.create_system == 3, i
    extra = {}
    left = i.extra
    while left:
        kind, size = struct.unpack('<HH', left[:4])
        extra[kind] = left[4:4 + size]
        left = left[4 + size:]
    assert extra[0x5455] == struct.pack('<Bi', 1, int(facts.st_mtime)), i
    assert extra[0x7875] == struct.pack('<BBIBI', 1, 4, facts.st_uid, 4, facts.st_gid), i
    assert i.is_dir() == os.path.isdir(i.filename) or os.path.islink(i.filename)
assert z.read('tree/link') == b'text'
assert z.read('tree/text') == b't' * 100000
assert z.getinfo('tree/text').compress_type == 8
)");
}

TEST_CASE("tar reads our tar files") {
  scratch here;
  make_tree();
  write_file("tree/" + std::string(180, 'n'), "long");
  REQUIRE_EQ(archive("../a.tar.zst", "tarzstd").status, 0);
  fs::create_directory("../out");
  auto end
    = run_program({"tar", "--zstd", "-C", "../out", "-xpf", "../a.tar.zst"});
  CAPTURE(end.err);
  REQUIRE_EQ(end.status, 0);
  check_tree(here.root() / "out/tree");
  CHECK_EQ(read_file("../out/tree/" + std::string(180, 'n')), "long");
}

TEST_CASE("we read the archives of zip, tar and Python") {
  const char* makers[] = {
    "zip -qry ../a.zip tree",
    "zip -qry -0 ../a.zip tree",
    "tar --zstd -cf ../a.zip tree",
    "tar --format=pax --zstd -cf ../a.zip tree",
    "tar --format=gnu --zstd -cf ../a.zip ./tree",
    "tar --format=ustar --zstd -cf ../a.zip tree",
  };
  for (const auto* maker : makers) {
    scratch here;
    make_tree();
    CAPTURE(maker);
    auto made = run_program({"sh", "-c", maker}, {"LC_ALL=C.UTF-8"});
    CAPTURE(made.err);
    REQUIRE_EQ(made.status, 0);
    fs::create_directory("../out");
    fs::current_path("../out");
    auto end = extract_file("../a.zip");
    CAPTURE(end.err);
    REQUIRE_EQ(end.status, 0);
    check_tree("tree");
  }
  scratch here;
  python(R"(
import zipfile
with zipfile.ZipFile('../a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('plain', 'x' * 100000)
    with z.open('streamed', 'w', force_zip64=True) as f:
        f.write(b'y' * 100000)
    z.writestr('sub/file', 'z')
)");
  auto end = extract_file("../a.zip");
  CAPTURE(end.err);
  REQUIRE_EQ(end.status, 0);
  CHECK(read_file("plain") == std::string(100'000, 'x'));
  CHECK(read_file("streamed") == std::string(100'000, 'y'));
  CHECK_EQ(read_file("sub/file"), "z");
}

TEST_CASE("gzip reads our gzip members") {
  scratch here;
  write_file("one", "1\n");
  write_file("two", "2\n");
  store gitlab;
  auto up
    = run_helper({"artifacts-uploader", "--url", gitlab.url(), "--token", "t",
                  "--id", "1", "--path", "*", "--artifact-format", "gzip"});
  REQUIRE_EQ(up.status, 0);
  write_file("../a.gz", gitlab.seen().at(0).body);
  auto plain = run_program({"gzip", "-dc", "../a.gz"});
  CHECK_EQ(plain.out, "1\n2\n");
}

TEST_CASE("hostile archives write nothing outside and give rights to nobody") {
  struct row {
    const char* what;
    const char* program; ///< makes ../evil.zip
    bool refused;
  };
  constexpr const char* zip_prelude = R"(
import stat, zipfile
def entry(name, mode, data):
    i = zipfile.ZipInfo(name)
    i.create_system = 3
    i.external_attr = mode << 16
    z.writestr(i, data)
z = zipfile.ZipFile('../evil.zip', 'w')
)";
  constexpr const char* tar_prelude = R"(
import io, subprocess, tarfile
raw = io.BytesIO()
t = tarfile.open(fileobj=raw, mode='w')
def entry(name, kind, link='', data=b'', mode=0o644):
    i = tarfile.TarInfo(name)
    i.type, i.linkname, i.size, i.mode = kind, link, len(data), mode
    t.addfile(i, io.BytesIO(data))
)";
  constexpr const char* tar_end = R"(
t.close()
subprocess.run(['zstd', '-q', '-f', '-o', '../evil.zip'], input=raw.getvalue(), check=True)
)";
  const row rows[] = {
    {"zip: device", "entry('dev', stat.S_IFCHR | 0o666, '')", false},
    {"zip: pipe", "entry('pipe', stat.S_IFIFO | 0o666, '')", false},
    {"zip: setuid", "entry('suid', stat.S_IFREG | 0o6755, 'x')", false},
    {"zip: link, then through it",
     "entry('l', stat.S_IFLNK | 0o777, '../outside'); "
     "entry('l/evil', stat.S_IFREG | 0o644, 'x')",
     true},
    {"zip: link, then over it",
     "entry('l', stat.S_IFLNK | 0o777, '../outside/target'); "
     "entry('l', stat.S_IFREG | 0o644, 'x')",
     false},
    {"zip: link through a link",
     "entry('a', stat.S_IFLNK | 0o777, '..'); "
     "entry('b', stat.S_IFLNK | 0o777, 'a/outside'); "
     "entry('b/evil', stat.S_IFREG | 0o644, 'x')",
     true},
    {"zip: folder over a link, then in it",
     "entry('l', stat.S_IFLNK | 0o777, '../outside'); "
     "entry('l/', stat.S_IFDIR | 0o755, ''); "
     "entry('l/file', stat.S_IFREG | 0o644, 'x')",
     false},
    {"zip: dots", "entry('a/../../outside/evil', 0o100644, 'x')", true},
    {"zip: absolute", "entry('/tmp/muster-evil', 0o100644, 'x')", true},
    {"zip: a NUL",
     "entry('a', 0o100644, 'x'); z.close(); "
     "d = open('../evil.zip','rb').read().replace(b'a', b'\\0'); "
     "open('../evil.zip','wb').write(d)",
     true},
    {"tar: device", "entry('dev', tarfile.CHRTYPE)", false},
    {"tar: pipe", "entry('pipe', tarfile.FIFOTYPE)", false},
    {"tar: hard link out",
     "entry('h', tarfile.LNKTYPE, '../outside/target'); "
     "entry('h', tarfile.REGTYPE, data=b'x')",
     true},
    {"tar: absolute hard link", "entry('h', tarfile.LNKTYPE, '/etc/passwd')",
     true},
    {"tar: hard link through a link",
     "entry('l', tarfile.SYMTYPE, '../outside'); "
     "entry('h', tarfile.LNKTYPE, 'l/target')",
     true},
    {"tar: hard link to a link",
     "entry('l', tarfile.SYMTYPE, '../outside/target'); "
     "entry('h', tarfile.LNKTYPE, 'l')",
     true},
    {"tar: hard link inside",
     "entry('f', tarfile.REGTYPE, data=b'same'); "
     "entry('h', tarfile.LNKTYPE, 'f')",
     false},
    {"tar: setuid", "entry('suid', tarfile.REGTYPE, data=b'x', mode=0o6755)",
     false},
    {"tar: link, then through it",
     "entry('l', tarfile.SYMTYPE, '../outside'); "
     "entry('l/evil', tarfile.REGTYPE, data=b'x')",
     true},
    {"tar: dots", "entry('../outside/evil', tarfile.REGTYPE, data=b'x')", true},
  };
  for (const auto& r : rows) {
    scratch here;
    write_file("../outside/target", "kept");
    CAPTURE(r.what);
    auto is_tar = std::string{r.what}.starts_with("tar");
    python((is_tar ? tar_prelude : zip_prelude) + std::string{r.program}
           + (is_tar ? tar_end : "\nz.close()\n"));
    auto end = extract_file("../evil.zip");
    CAPTURE(end.err);
    CHECK_EQ(end.status, r.refused ? 1 : 0);
    if (r.refused)
      CHECK(has(end.err, "FATAL: extracting the cache failed"));
    CHECK_EQ(read_file("../outside/target"), "kept");
    size_t outside = 0;
    for ([[maybe_unused]] const auto& x : fs::directory_iterator("../outside"))
      ++outside;
    CHECK_EQ(outside, 1);
    CHECK_FALSE(fs::exists("/tmp/muster-evil"));
    for (const auto& x : fs::recursive_directory_iterator(".")) {
      struct stat facts {};
      REQUIRE_EQ(::lstat(x.path().c_str(), &facts), 0);
      CHECK((S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode)
             || S_ISLNK(facts.st_mode)));
      CHECK_EQ(facts.st_mode & 07000, 0);
    }
    if (std::string{r.what} == "tar: hard link inside")
      CHECK_EQ(read_file("h"), "same");
  }
}
