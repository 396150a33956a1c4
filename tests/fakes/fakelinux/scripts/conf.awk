# Reads Kconfig files and a file of wishes (WANTED); prints a .config.  Everything not wished for stays off.
function file(name,    line, words, held) {
	gsub(/\$\(SRCARCH\)/, SRCARCH, name)
	while ((getline line < name) > 0) {
		split(line, words, " ")
		if (line ~ /^source /) {
			gsub(/"/, "", words[2])
			file(words[2])
		} else if (line ~ /^config /) {
			held = words[2]; names[++count] = held
		} else if (line ~ /^\t(bool|tristate) "/) prompt[held] = 1
		else if (line ~ /^\tdef_bool y/) standard[held] = 1
		else if (line ~ /^\tdepends on /) needs[held] = substr(line, 13)
		else if (line ~ /^\tselect /) selected[words[2]] = held
		else if (line ~ /^[^ \t#]/ && line !~ /^(mainmenu|menu|endmenu|if|endif|comment)/) {
			print name ":1: syntax error" > "/dev/stderr"; broken = 1
		}
	}
	close(name)
}
function met(symbol,    terms, total, i) {
	total = split(needs[symbol], terms, " && ")
	for (i = 1; i <= total; i++) if (!value[terms[i]]) return 0
	return 1
}
BEGIN {
	while (WANTED != "" && (getline wish < WANTED) > 0)
		if (match(wish, /^CONFIG_[A-Z0-9_]+=y$/)) wanted[substr(wish, 8, length(wish) - 9)] = 1
	file("Kconfig")
	for (round = 0; round < 5; round++)
		for (i = 1; i <= count; i++) {
			s = names[i]
			value[s] = met(s) && ((prompt[s] && wanted[s]) || (!prompt[s] && standard[s]))
			if (selected[s] != "" && value[selected[s]]) value[s] = 1
		}
	print "# Fake kernel configuration"
	for (i = 1; i <= count; i++)
		print value[names[i]] ? "CONFIG_" names[i] "=y" : "# CONFIG_" names[i] " is not set"
	exit broken
}
