// A fleeting plugin on GitLab's own library, for tests: its instances are all the
// one host that plugin_config names.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"gitlab.com/gitlab-org/fleeting/fleeting/plugin"
	"gitlab.com/gitlab-org/fleeting/fleeting/provider"
)

type group struct {
	Name         string `json:"name"`
	MixedCase    string `json:"mixedCase"`
	InternalAddr string `json:"internal_addr"`
	KeyFile      string `json:"key_file"`
	MaxSize      uint32 `json:"max_size"`

	log       hclog.Logger
	settings  provider.Settings
	mu        sync.Mutex
	next      int
	instances map[string]provider.State
}

func (g *group) Init(_ context.Context, log hclog.Logger, settings provider.Settings) (provider.ProviderInfo, error) {
	if g.Name == "" {
		return provider.ProviderInfo{}, fmt.Errorf("plugin_config has no name")
	}
	g.log, g.settings, g.instances = log, settings, map[string]provider.State{}
	log.Info("group is open", "name", g.Name, "mixed_case", g.MixedCase)
	fmt.Println("printed by the plugin's code")
	return provider.ProviderInfo{ID: "go/" + g.Name, MaxSize: int(g.MaxSize), Version: "0.1.0", BuildInfo: "go"}, nil
}

func (g *group) Update(_ context.Context, fn func(string, provider.State)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, state := range g.instances {
		fn(id, state)
		g.instances[id] = provider.StateRunning
	}
	return nil
}

func (g *group) Increase(_ context.Context, n int) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := 0; i < n; i++ {
		g.next++
		g.instances[fmt.Sprintf("go-%d", g.next)] = provider.StateCreating
	}
	return n, nil
}

func (g *group) Decrease(_ context.Context, ids []string) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var done []string
	for _, id := range ids {
		if _, ok := g.instances[id]; ok {
			delete(g.instances, id)
			done = append(done, id)
		}
	}
	if len(done) < len(ids) {
		return done, fmt.Errorf("some instances are not there")
	}
	return done, nil
}

func (g *group) ConnectInfo(_ context.Context, id string) (provider.ConnectInfo, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.instances[id]; !ok {
		return provider.ConnectInfo{}, fmt.Errorf("no instance %s", id)
	}
	info := provider.ConnectInfo{ConnectorConfig: g.settings.ConnectorConfig, ID: id, InternalAddr: g.InternalAddr}
	if len(info.Key) == 0 {
		key, err := os.ReadFile(g.KeyFile)
		if err != nil {
			return info, err
		}
		expires := time.Now().Add(time.Minute)
		info.Key, info.Expires = key, &expires
	}
	return info, nil
}

func (g *group) Shutdown(context.Context) error {
	g.log.Info("group is closed")
	return nil
}

func main() {
	plugin.Main(&group{}, plugin.VersionInfo{Name: "fleeting-plugin-go-test"})
}
