// Package cli holds the commands that run a node: `odradek serve`.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	runtimego "runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"odradek/core"
	"odradek/core/config"
	"odradek/disk/vfs"
	"odradek/disk/vfs/filecache"
	"odradek/disk/vfs/osfs"
	"odradek/node/admin"
	"odradek/node/metrics"
	"odradek/node/runtime"
	"odradek/node/settings"
)

// stopTimeout bounds a clean stop.
const stopTimeout = 30 * time.Second

// serveFlags say where the configuration lies.
type serveFlags struct {
	data    string
	config  string
	cluster string
	set     []string
}

func (f *serveFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "odradek-data", "directory of the data, if log.dirs is not set")
	cmd.Flags().StringVar(&f.config, "config", "", "a server.properties, as Kafka's")
	cmd.Flags().StringVar(&f.cluster, "cluster-id", "", "cluster of directories that are new, as CLUSTER_ID; several nodes need the same")
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "configuration, key=value; may be given again")
}

// Serve returns the command `odradek serve`.
func Serve() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node: broker and controller in one",
		Long: `Runs a node: broker and controller in one, with its data in ./odradek-data, listening on 127.0.0.1:9092.
No configuration and no format step are needed. Kafka's own keys are given in a server.properties (--config), in KAFKA_* variables (KAFKA_NUM_PARTITIONS
for num.partitions) and with --set; of a key that is given twice the last of these counts. What came from where: odradek config show --origin.
An acknowledged record is on the disk: flush.messages is 1 unless you say otherwise.`,
		Example: `  odradek serve
  odradek serve --data /var/lib/odradek --set listeners=PLAINTEXT://0.0.0.0:9092 --set num.partitions=6
  odradek serve --config /etc/kafka/server.properties
  odradek serve --set node.id=2 --set controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093 --set controller.listener.names=CONTROLLER \
    --set listeners=PLAINTEXT://b:9092,CONTROLLER://b:9093 --cluster-id 4L6g3nShT-eMCtK--X86sw
  odradek serve --set log.flush.interval.messages=10000     # Kafka's relaxed durability`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), &f, cmd.ErrOrStderr()) },
	}
	f.add(cmd)
	return cmd
}

// gather reads the configuration from everywhere.
func (f *serveFlags) gather() (*settings.Settings, *config.Node, error) {
	given, err := settings.Gather(settings.Sources{File: f.config, Environ: os.Environ(), Set: f.set})
	if err != nil {
		return nil, nil, err
	}
	cfg, err := given.Parse()
	if err != nil {
		return nil, nil, err
	}
	if len(cfg.LogDirs) == 0 {
		cfg.LogDirs = []string{f.data}
	}
	return given, cfg, nil
}

// tellIgnored says once what was given and does nothing.
func tellIgnored(log *slog.Logger, given *settings.Settings) {
	if inert := config.Inert(given.Entries()); len(inert) > 0 {
		log.Info("configuration keys of Kafka's that have no effect here", "keys", strings.Join(inert, ","))
	}
	if len(given.Ignored) > 0 {
		log.Warn("variables that name no configuration key are ignored", "variables", strings.Join(given.Ignored, ","))
	}
}

func serve(ctx context.Context, f *serveFlags, out io.Writer) error {
	given, cfg, err := f.gather()
	if err != nil {
		return UsageError{err}
	}
	tuneProcess()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(out, nil))
	var adm *admin.Server
	if cfg.AdminListener != "" {
		if adm, err = admin.Listen(cfg.AdminListener); err != nil {
			return fmt.Errorf("admin.listener: %w (another node? choose a free address with --set admin.listener=HOST:PORT)", err)
		}
		defer adm.Close()
	}
	tellIgnored(log, given)
	options := runtime.Options{ClusterID: given.ClusterID, Log: log}
	if f.cluster != "" {
		options.ClusterID = f.cluster
	}
	for _, e := range given.Entries() {
		options.Config = append(options.Config, core.KeyValue{Key: e.Key, Value: e.Value})
	}
	if err := openDirs(&options, cfg.LogDirs, log); err != nil {
		return err
	}
	options.Events = strings.TrimRight(cfg.LogDirs[0], "/") + ".halt.log" // beside the directory: it may be the disk that fails
	node, err := runtime.Start(ctx, options)
	if err != nil && ctx.Err() != nil {
		log.Info("stopped before it served")
		return nil
	}
	if err != nil {
		return err
	}
	adm.Stats(func() any { return stats(node, options.FS) })
	adm.Metrics(metrics.Handlers(node))
	adm.Ready(true)
	banner(out, node, cfg, adm)
	select {
	case <-ctx.Done():
		stop() // a second signal ends the process at once
		log.Info("stopping")
		adm.Ready(false)
		bounded, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := node.Stop(bounded); err != nil {
			return err
		}
		log.Info("stopped")
		return nil
	case reason := <-node.Halted():
		return errors.New("the node gave itself up: " + reason)
	}
}

// openDirs opens the directories. One that cannot be made or reached is given up while the others serve, but for the first, which holds the metadata log.
func openDirs(o *runtime.Options, dirs []string, log *slog.Logger) error {
	var seen []os.FileInfo
	limits, sockets := fileLimits(len(dirs))
	o.Sockets = sockets
	for i, dir := range dirs {
		fs, info, err := openDir(dir)
		if err != nil && i == 0 {
			return fmt.Errorf("log directory %s: %w", dir, err)
		}
		if err != nil {
			log.Error("log directory given up: its partitions are offline until the node is started with it", "path", dir, "reason", err.Error())
			continue
		}
		for j := range seen {
			if os.SameFile(seen[j], info) {
				return fmt.Errorf("log.dirs: %s and %s are the same directory: name it once", o.Paths[j], dir)
			}
		}
		o.FS, o.Paths, seen = append(o.FS, filecache.New(fs, limits)), append(o.Paths, dir), append(seen, info)
	}
	return nil
}

// openDir makes the directory if it is missing, synced into its parent, and opens it.
func openDir(dir string) (vfs.FS, os.FileInfo, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, nil, err
	}
	if parent, err := os.Open(filepath.Dir(path)); err == nil {
		err = parent.Sync()
		parent.Close()
		if err != nil {
			return nil, nil, err
		}
	}
	info, err := os.Stat(path)
	return osfs.New(path), info, err
}

// tuneProcess lets the heap grow a little before it is collected: most memory is pooled buffers, garbage is little. It also makes sure of two processors for
// Go code: a goroutine inside fdatasync holds one until the runtime notices. That is said even if there are two already, since the runtime otherwise goes down to one when the
// process is confined to one processor later.
func tuneProcess() {
	runtimego.GOMAXPROCS(max(2, runtimego.GOMAXPROCS(0)))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}

// banner tells a person what runs where, and what an acknowledgement means here.
func banner(out io.Writer, node *runtime.Node, cfg *config.Node, adm *admin.Server) {
	var clients, controllers []string
	for _, e := range node.Endpoints() {
		if slices.ContainsFunc(cfg.Controllers, func(l config.Listener) bool { return l.Name == e.Listener }) {
			controllers = append(controllers, e.Addr.String())
		} else {
			clients = append(clients, e.Addr.String())
		}
	}
	durability := "durable: acks=1 and acks=all wait for fsync (flush.messages=1, group commit)"
	if !cfg.Topic.Durable() {
		durability = fmt.Sprintf("relaxed: records are acknowledged before fsync (flush.messages=%d)", cfg.Topic.FlushMessages)
	}
	text := []byte("Odradek is ready\n") // in one piece: the node serves already, and may log
	line := func(what, is string) {
		if is != "" {
			text = fmt.Appendf(text, "  %-11s %s\n", what, is)
		}
	}
	line("clients", strings.Join(clients, ", "))
	line("controllers", strings.Join(controllers, ", "))
	line("data", strings.Join(cfg.LogDirs, ", "))
	line("durability", durability)
	if adm != nil {
		line("admin", "http://"+adm.Addr().String())
	}
	_, _ = out.Write(text)
}

// UsageError is a mistake in how a command was called: exit code 2.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }
