package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"odradek/core/api"
)

type versionJSON struct {
	Version  string    `json:"version"`
	Revision string    `json:"revision,omitempty"`
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	APIs     []apiJSON `json:"apis"`
}

type apiJSON struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Min  int16  `json:"min"`
	Max  int16  `json:"max"`
}

func versionCommand() *cobra.Command {
	var o output
	var apis bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version, and which APIs this binary serves",
		Long:    "Prints the version of this binary. With --apis, and in JSON, also the range of versions of each key of the Kafka protocol that its broker serves.",
		Example: "  odradek version\n  odradek version --apis\n  odradek version -o json",
		Args:    args(cobra.NoArgs, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			v := built()
			var lines [][]string
			for _, r := range api.Served {
				v.APIs = append(v.APIs, apiJSON{int16(r.Key), r.Key.String(), r.Min, r.Max})
				lines = append(lines, []string{strconv.Itoa(int(r.Key)), r.Key.String(), strconv.Itoa(int(r.Min)), strconv.Itoa(int(r.Max))})
			}
			switch {
			case o.json():
				return writeJSON(cmd.OutOrStdout(), v)
			case apis:
				return rows(cmd.OutOrStdout(), []string{"KEY", "NAME", "MIN", "MAX"}, lines)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "odradek %s %s %s\n", v.Version, v.Go, v.Platform)
			return nil
		},
	}
	o.flag(cmd)
	cmd.Flags().BoolVar(&apis, "apis", false, "list the APIs")
	return cmd
}

// built is what the linker knows of this binary.
func built() versionJSON {
	v := versionJSON{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version = info.Main.Version; v.Version == "" {
		v.Version = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
