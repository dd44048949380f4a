#include "tools/muster/fleeting/install.hpp"

#include "config/diagnostic.hpp"
#include "config/log.hpp"
#include "executors/helper/unique_fd.hpp"
#include "providers/fleeting/registry/tags.hpp"
#include "providers/fleeting/version.hpp"
#include "tools/muster/fleeting/credentials.hpp"
#include "tools/muster/fleeting/registry_client.hpp"
#include "tools/muster/fleeting/unpack.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <variant>

namespace muster::fleeting {

namespace {

namespace fs = std::filesystem;
using helper::unique_fd;

constexpr auto layer_annotation = "com.gitlab.fleeting.layer";
constexpr auto version_annotation = "org.opencontainers.image.version";

/// No plugin has as much; a registry may say anything.
constexpr uint64_t layer_bytes_max = 2ull << 30;

/// What an unfinished installation begins with.
constexpr std::string_view unfinished = ".muster-install-";

tl::unexpected<failure<provider_errc>> trouble(const std::string& what) {
  return fail(provider_errc::not_available,
              fmt::format("{}: {}", what, std::strerror(errno)));
}

/// A folder beside what is installed, which goes with this object. What others
/// have left there that do not run any more goes, too.
class workbench {
public:
  static result<workbench, provider_errc> make(const std::string& plugin_dir) {
    std::error_code bad;
    fs::create_directories(plugin_dir, bad);
    if (bad)
      return fail(provider_errc::not_available,
                  fmt::format("the folder {} cannot be made: {}", plugin_dir,
                              bad.message()));
    clear(plugin_dir);
    workbench out;
    auto path = fmt::format("{}/{}XXXXXX", plugin_dir, unfinished);
    if (::mkdtemp(path.data()) == nullptr)
      return trouble("no folder can be made in " + plugin_dir);
    out.path_ = path;
    out.lock_ = unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    // On a file system without locks nobody could take it for left over.
    (void)::flock(out.lock_.get(), LOCK_EX | LOCK_NB);
    return out;
  }

  workbench(workbench&& other) noexcept
    : path_(std::exchange(other.path_, "")),
      lock_(std::move(other.lock_)) {
  }

  workbench& operator=(workbench&&) = delete;

  ~workbench() {
    std::error_code ignored;
    if (!path_.empty())
      fs::remove_all(path_, ignored);
  }

  const std::string& path() const {
    return path_;
  }

private:
  workbench() = default;

  static void clear(const std::string& plugin_dir) {
    std::error_code bad;
    fs::directory_iterator all{plugin_dir, bad};
    for (; !bad && all != fs::directory_iterator{}; all.increment(bad)) {
      if (!all->path().filename().string().starts_with(unfinished))
        continue;
      unique_fd folder{
        ::open(all->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
      std::error_code ignored;
      if (folder && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0)
        fs::remove_all(all->path(), ignored);
    }
  }

  std::string path_;
  unique_fd lock_;
};

/// One plugin on its way into its folder.
class installation {
public:
  installation(std::string name, const lookup_places& places,
               const platform& host)
    : name_(std::move(name)),
      places_(places),
      host_(host) {
  }

  result<void, provider_errc> run() {
    auto reference = parse_reference(name_);
    if (!reference)
      return tl::unexpected{reference.error()};
    auto constraint = parse_constraint(reference->tag);
    if (!constraint)
      return tl::unexpected{constraint.error()};
    auto folder = escape_repository(reference->repository);
    if (!folder)
      return tl::unexpected{folder.error()};
    reference_ = std::move(*reference);
    constraint_ = std::move(*constraint);
    folder_ = places_.plugin_dir + "/" + *folder;
    auto slash = reference_.repository.find('/');
    registry_ = reference_.repository.substr(0, slash);
    client_.emplace(registry_, reference_.repository.substr(slash + 1),
                    [this] { return user_for(registry_); });
    auto tag = reference_.digest.empty() ? choose_tag() : reference_.digest;
    auto image = find_image(tag);
    if (!image)
      return tl::unexpected{image.error()};
    return install(*image, tag);
  }

private:
  /// A full version, or what the registry's list has for the tag. Where it has
  /// nothing, or shows no list, the publisher's own `1.2` or `latest` counts.
  std::string choose_tag() {
    auto alias = reference_.tag.empty() ? "latest" : reference_.tag;
    if (constraint_.parts.size() == 3)
      return alias;
    auto tags = client_->get_tags();
    if (!tags)
      log::debug("the registry shows no list of tags",
                 {{"plugin", name_}, {"err", tags.error().text}});
    auto highest = tags ? highest_tag(*tags, constraint_) : std::nullopt;
    return highest.value_or(alias);
  }

  result<image_manifest, provider_errc> find_image(const std::string& tag) {
    auto found = get(tag);
    if (!found)
      return tl::unexpected{found.error()};
    if (const auto* index = std::get_if<image_index>(&*found)) {
      auto chosen = choose_image(*index, host_);
      if (!chosen)
        return fail(chosen.error().code, one_line(chosen.error().text));
      found = get(chosen->digest);
      if (!found)
        return tl::unexpected{found.error()};
      if (auto* image = std::get_if<image_manifest>(&*found))
        return std::move(*image);
      return fail(provider_errc::not_available,
                  "its index of images leads to another index");
    }
    return std::get<image_manifest>(std::move(*found));
  }

  result<manifest, provider_errc> get(const std::string& name) {
    auto text = client_->get_manifest(name);
    if (!text)
      return tl::unexpected{text.error()};
    return parse_manifest(text->body, text->content_type);
  }

  /// The layer that is annotated as the plugin's, else the only one.
  static const descriptor* layer_of(const image_manifest& image) {
    for (const auto& x : image.layers)
      if (x.annotations.contains(layer_annotation))
        return &x;
    return image.layers.size() == 1 ? &image.layers[0] : nullptr;
  }

  /// What its publisher says: on the layer, on the image, in its config; or
  /// else the tag.
  result<std::string, provider_errc> version_of(const image_manifest& image,
                                                const descriptor& layer,
                                                const std::string& tag) {
    for (const auto& [in, key] :
         {std::pair{&layer.annotations, layer_annotation},
          std::pair{&image.annotations, version_annotation}})
      if (auto at = in->find(key); at != in->end())
        return at->second;
    auto text = client_->get_text(image.config);
    if (!text)
      return tl::unexpected{text.error()};
    auto facts = parse_image_facts(*text);
    if (!facts)
      return tl::unexpected{facts.error()};
    if (!facts->with.os.empty() && !runs(host_, facts->with))
      return fail(provider_errc::not_found,
                  fmt::format("it has no image for {}, only for {}",
                              to_string(host_),
                              one_line(to_string(facts->with))));
    return facts->version.empty() ? tag : facts->version;
  }

  result<void, provider_errc> install(const image_manifest& image,
                                      const std::string& tag) {
    const auto* layer = layer_of(image);
    if (layer == nullptr)
      return fail(provider_errc::not_available,
                  fmt::format("this is no fleeting plugin: none of the layers "
                              "of {} has the annotation {}",
                              tag, layer_annotation));
    if (layer->size_bytes > layer_bytes_max)
      return fail(
        provider_errc::not_available,
        fmt::format("its layer of {} bytes is too large", layer->size_bytes));
    auto named = version_of(image, *layer, tag);
    if (!named)
      return tl::unexpected{named.error()};
    auto number = parse_version(*named);
    auto folder = escape_repository(*named);
    if (!reference_.digest.empty()) {
      // It is what it is; a tag beside the digest has to agree.
      if (!reference_.tag.empty() && number && !allows(constraint_, *number))
        return disagrees(tag, *named);
      folder = digest_folder(reference_.digest);
    } else if (!number || !folder || !allows(constraint_, *number)) {
      return disagrees(tag, *named);
    }
    auto target = folder_ + "/" + *folder;
    if (is_whole(target))
      return {};
    log::info("Installing plugin",
              {{"plugin", name_},
               {"registry", registry_},
               {"version", one_line(*named)},
               {"size", std::to_string(layer->size_bytes)}});
    return fetch(*layer, target);
  }

  tl::unexpected<failure<provider_errc>>
  disagrees(const std::string& tag, const std::string& version) const {
    return fail(
      provider_errc::not_available,
      fmt::format("what is there as {} is version {}, which {} does "
                  "not mean",
                  tag, in_quotes(version),
                  reference_.tag.empty() ? "latest" : reference_.tag));
  }

  static bool is_whole(const std::string& target) {
    std::error_code none;
    auto program = target + "/plugin";
    return fs::is_regular_file(program, none)
           && ::access(program.c_str(), X_OK) == 0;
  }

  result<void, provider_errc> fetch(const descriptor& layer,
                                    const std::string& target) {
    auto bench = workbench::make(places_.plugin_dir);
    if (!bench)
      return tl::unexpected{bench.error()};
    auto archive = bench->path() + "/layer";
    unique_fd file{
      ::open(archive.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!file)
      return trouble("no file can be made in " + bench->path());
    if (auto got = client_->get_file(layer, file.get()); !got)
      return got;
    auto files = bench->path() + "/files";
    if (::mkdir(files.c_str(), 0755) != 0 || ::chmod(files.c_str(), 0755) != 0)
      return trouble("no folder can be made in " + bench->path());
    if (auto done = unpack_plugin(file.get(), files); !done)
      return done;
    return take_place(files, target, bench->path() + "/before");
  }

  static result<void, provider_errc> take_place(const std::string& files,
                                                const std::string& target,
                                                const std::string& aside) {
    std::error_code bad;
    fs::create_directories(fs::path{target}.parent_path(), bad);
    unique_fd parent{::open(fs::path{target}.parent_path().c_str(),
                            O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    unique_fd content{
      ::open(files.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (content)
      ::fsync(content.get());
    if (::rename(files.c_str(), target.c_str()) != 0) {
      auto taken = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
      if (taken && is_whole(target))
        return {}; // another one was faster
      // What is there is no plugin that works.
      if (!taken || ::rename(target.c_str(), aside.c_str()) != 0
          || ::rename(files.c_str(), target.c_str()) != 0)
        return trouble(target + " cannot be made");
    }
    if (parent)
      ::fsync(parent.get());
    return {};
  }

  const std::string name_;
  const lookup_places& places_;
  const platform& host_;
  plugin_reference reference_;
  version_constraint constraint_;
  std::string registry_;
  std::string folder_; ///< of the versions
  std::optional<registry_client> client_;
};

} // namespace

result<std::string, provider_errc> install_plugin(const std::string& name,
                                                  const lookup_places& places,
                                                  const platform& host) {
  if (auto done = installation{name, places, host}.run(); !done)
    return tl::unexpected{done.error()};
  return find_plugin(name, places);
}

} // namespace muster::fleeting
