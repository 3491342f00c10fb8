// Package houserules checks what the architecture demands of the source: which package may import which, and that pure packages are pure. It is used by
// its own test only; the rules stand here so that the test can also show each of them broken.
package houserules

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// Finding is one broken rule.
type Finding struct {
	Pos  string // file:line
	Rule string
	Text string
}

func (f Finding) String() string { return f.Pos + ": " + f.Rule + ": " + f.Text }

// standard are the packages of the standard library that pure code may import: none of them reads a clock, waits, or keeps hidden state.
var standard = []string{"bytes", "cmp", "encoding/base64", "encoding/binary", "errors", "fmt", "hash/crc32", "iter", "math", "math/bits", "regexp", "slices",
	"sort", "strconv", "strings", "unicode", "unicode/utf8", "unicode/utf16", "crypto/sha256", "crypto/sha512", "crypto/hmac", "crypto/subtle"}

// libraries that pure code may import.
var libraries = []string{"github.com/twmb/franz-go/pkg/kmsg", "github.com/cespare/xxhash/v2"}

// low are the subpackages of core that the others may import; each only those before it.
var low = []string{"core/errcode", "core/record", "core/stream", "core/api", "core/prng", "core/timer", "core/image", "core/config", "core/access"}

// layer is a folder, what of ours it may import, and whether it is pure.
type layer struct {
	folder  string
	ours    []string
	pure    bool
	extra   []string // further imports of pure packages
	anyLibs bool
}

var pureBelow = []string{"core", "disk/vfs", "disk/segment", "net/wire", "net/codec", "clientlib/proto"}

// layers is the table of DESIGN §1; the first row whose folder holds the package counts.
var layers = []layer{
	{folder: "core", ours: []string{"core"}, pure: true},
	{folder: "disk/vfs/osfs", ours: []string{"disk/vfs"}, anyLibs: true},
	{folder: "disk/vfs/filecache", ours: []string{"disk/vfs"}, anyLibs: true},
	{folder: "disk/vfs", ours: []string{"core"}, pure: true},
	{folder: "disk/segment", ours: []string{"core", "disk/vfs"}, pure: true, extra: []string{"io", "path", "sync"}}, // two Dirs share the list of streams
	{folder: "net/codec", ours: []string{"core"}, pure: true, extra: []string{"io", "sync", "compress/gzip",
		"github.com/klauspost/compress/*", "github.com/pierrec/lz4/*"}},
	{folder: "net/wire", ours: []string{"core", "disk/vfs"}, pure: true},
	{folder: "clientlib/proto", ours: []string{"core", "net/wire", "net/codec"}, pure: true},
	{folder: "sim/cli", ours: []string{"core", "sim", "linearizability"}, anyLibs: true},
	{folder: "sim/planted", ours: []string{"sim", "linearizability"}, anyLibs: true},
	{folder: "sim", ours: append([]string{"sim", "linearizability"}, pureBelow...), pure: true, extra: []string{"io", "path"}},
	{folder: "disk/store", ours: []string{"core", "disk"}, anyLibs: true},
	{folder: "net/tcp", ours: []string{"core", "net", "disk/vfs"}, anyLibs: true},
	{folder: "node", ours: []string{"core", "disk", "net", "node"}, anyLibs: true},
	{folder: "clientlib", ours: []string{"core", "net", "clientlib", "node", "disk/vfs"}, anyLibs: true},
	{folder: "bench", ours: []string{"core", "net", "clientlib", "node", "bench"}, anyLibs: true},
	{folder: "docs/examples", ours: []string{"core", "clientlib", "docs/examples", "node", "disk/vfs"}, anyLibs: true},
	{folder: "linearizability/cli", ours: []string{"linearizability"}, anyLibs: true},
	{folder: "linearizability", anyLibs: true},
	{folder: "internal", anyLibs: true},
	{folder: "", ours: []string{"node", "clientlib", "sim", "bench", "linearizability"}, anyLibs: true},
}

func within(folder, pkg string) bool {
	return folder == "" || pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

func layerOf(pkg string) *layer {
	for i := range layers {
		if l := &layers[i]; within(l.folder, pkg) && (l.folder != "" || pkg == "") {
			return l
		}
	}
	return nil
}

// Package is one parsed and type-checked package. Folder is its path below the module, "" for the root.
type Package struct {
	Folder  string
	Files   *token.FileSet
	Syntax  []*ast.File
	Sources map[string]string // by file name
	Types   *types.Info
}

// Check returns the rules that a package breaks. Its tests may import more, and are not asked to be pure.
func Check(p *Package) []Finding {
	c := &checker{files: p.Files, pkg: p.Folder, layer: layerOf(p.Folder), types: p.Types}
	for _, f := range p.Syntax {
		name := p.Files.Position(f.Package).Filename
		c.lines = strings.Split(p.Sources[name], "\n")
		if c.layer == nil {
			c.add(f.Package, "layout", fmt.Sprintf("folder %s is not in the table of packages (docs/ARCHITECTURE.md §1)", p.Folder))
			continue
		}
		c.test = strings.HasSuffix(name, "_test.go")
		c.imports(f)
		if c.layer.pure && !c.test {
			c.purity(f)
		}
		c.lengths(f)
	}
	return c.found
}

type checker struct {
	files *token.FileSet
	pkg   string
	layer *layer
	types *types.Info
	lines []string
	test  bool
	found []Finding
}

func (c *checker) add(pos token.Pos, rule, text string) {
	p := c.files.Position(pos)
	c.found = append(c.found, Finding{p.Filename + ":" + strconv.Itoa(p.Line), rule, text})
}

func (c *checker) imports(f *ast.File) {
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if ours, ok := strings.CutPrefix(path, "odradek/"); ok {
			c.ourImport(spec.Pos(), ours)
		} else if c.layer.pure && !c.test && !c.allowed(path) {
			c.add(spec.Pos(), "imports", "a pure package must not import "+path)
		}
	}
}

func (c *checker) allowed(path string) bool {
	if slices.Contains(standard, path) || slices.Contains(libraries, path) || slices.Contains(c.layer.extra, path) {
		return true
	}
	for _, e := range c.layer.extra {
		if prefix, ok := strings.CutSuffix(e, "*"); ok && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// ourImport checks the direction. A test in any package may use sim/simdisk, which stands for a disk.
func (c *checker) ourImport(pos token.Pos, path string) {
	if c.test && (path == "sim/simdisk" || path == "net/codec" || path == "disk/vfs/osfs" || strings.HasPrefix(path, "internal/")) {
		return
	}
	if !slices.ContainsFunc(c.layer.ours, func(o string) bool { return within(o, path) }) {
		c.add(pos, "direction", fmt.Sprintf("%s must not import %s", c.name(), path))
		return
	}
	if !strings.HasPrefix(c.pkg, "core/") || !strings.HasPrefix(path, "core/") || within(path, c.pkg) {
		return
	}
	to, from := slices.Index(low, path), slices.Index(low, c.pkg)
	if to < 0 || (from >= 0 && to > from) {
		c.add(pos, "direction", fmt.Sprintf("%s must not import %s: machines of core know only what lies below them", c.pkg, path))
	}
}

func (c *checker) name() string {
	if c.pkg == "" {
		return "main"
	}
	return c.pkg
}

// maxFunction is the greatest length of a function in lines.
const maxFunction = 70

func (c *checker) lengths(f *ast.File) {
	if c.test {
		return
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			if n := c.files.Position(fn.End()).Line - c.files.Position(fn.Pos()).Line + 1; n > maxFunction {
				c.add(fn.Pos(), "length", fmt.Sprintf("function %s has %d lines, at most %d", fn.Name.Name, n, maxFunction))
			}
		}
	}
}
