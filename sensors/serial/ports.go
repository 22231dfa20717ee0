package serial

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Port is a serial port that is there.
type Port struct {
	Path   string // the most stable name that it has
	Target string // the device that the name leads to
	Hint   string // what to do before this user can open it; empty: nothing
}

// Ports lists the serial ports of this machine: first those with a stable name in /dev/serial/by-id, then the other USB ports,
// then built-in ones that have hardware behind them. Nothing is opened but what would have to be looked at by name.
func Ports() []Port {
	return portsBelow("/")
}

func portsBelow(root string) []Port {
	var found []Port
	seen := map[string]bool{}
	for _, pattern := range []string{byIDFolder + "/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/ttyS*"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			continue
		}
		for _, path := range paths {
			target, err := filepath.EvalSymlinks(path)
			if err != nil || seen[target] || pattern == "/dev/ttyS*" && !hasHardware(root, target) {
				continue
			}
			seen[target] = true
			p := Port{Path: path, Target: target}
			if err := unix.Access(target, unix.R_OK|unix.W_OK); errors.Is(err, fs.ErrPermission) {
				p.Hint = permissionHint(target)
			}
			found = append(found, p)
		}
	}
	return found
}

// hasHardware reports whether a port ttySn is more than a name: the kernel makes names for ports that no machine has, and
// their type is 0 (PORT_UNKNOWN).
func hasHardware(root, target string) bool {
	kind, err := os.ReadFile(filepath.Join(root, "sys/class/tty", filepath.Base(target), "type"))
	return err != nil || string(kind) != "0\n"
}
