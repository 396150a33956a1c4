# As CC="sh cached.sh gcc": ccache for what is compiled to stay, which kbuild asks a list of headers for; the compiler
# alone for the hundreds of questions of what it can do. Each of those would be preprocessed once more than without ccache.
case " $* " in
*" -Wp,-MMD,"* | *" -Wp,-MD,"*) exec ccache "$@" ;;
esac
exec "$@"
