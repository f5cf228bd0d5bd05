import '../../ui/style/ui.css';
import './base.css';
